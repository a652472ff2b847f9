export { type ConfineCode, confineErrors } from "./errors.ts";
export { openWalls, type OpenWallsOptions, type Walls } from "./walls.ts";
