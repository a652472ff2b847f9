/** What a capsule that is a process needs of the machine, and can miss. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";

export type ProcessCode = "PYTHON_MISSING" | "PYTHON_TOO_OLD";

export const processErrors: ErrorTable<ProcessCode> = defineErrors({
  PYTHON_MISSING: {
    message: "{instance} is written in Python, and there is no python3 on this machine: {reason}",
    fault: "user",
    retry: false,
    remedy: "install the Debian package python3: apt-get install python3",
    exit: "failed",
  },
  PYTHON_TOO_OLD: {
    message: "{instance} is written in Python, and {file} is {version}; capsules need 3.11 or newer",
    fault: "user",
    retry: false,
    remedy: "install a newer python3 and put it first on the PATH of the node",
    exit: "failed",
  },
});
