/** The sandbox host of JavaScript: what comes with `open` is the bundle. */
import { serveIsolates } from "./serve-isolates.ts";

serveIsolates(({ instance, entry, limits }, text) => ({ instance, entry, limits, text }));
