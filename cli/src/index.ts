/** What another program of this repository may use of the command line: the control socket's client, and the errors. */
export { ControlClient, type ControlTarget } from "./control/client.ts";
export { cliErrors } from "./errors.ts";
export { errorTables, type NamedTable } from "./error-tables.ts";
