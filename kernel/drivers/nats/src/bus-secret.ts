/** Who a node is to its servers: read from a file only, because arguments and the environment are seen by others. */
import { readFileSync } from "node:fs";
import {
  type Authenticator,
  credsAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import type { VnesError } from "@vnes/schemas";
import { busErrors } from "./bus-errors.ts";

export interface SecretFiles {
  /** A `.creds` file, as `nsc` writes it; goes before `login`. */
  readonly credentials?: string;
  /** The user on the first line, the password on the second. */
  readonly login?: string;
}

/** Undefined where none is configured. Throws `BUS_SECRET_UNUSABLE`, which repeats nothing of the file. */
export function readSecret({ credentials, login }: SecretFiles): Authenticator | undefined {
  if (credentials !== undefined) return ofCredentials(credentials);
  if (login === undefined) return undefined;
  const [user = "", password = ""] = new TextDecoder().decode(read(login)).split(/\r?\n/);
  if (user === "" || password === "")
    throw unusable(login, "the user stands on its first line and the password on its second");
  return usernamePasswordAuthenticator(user, password);
}

function ofCredentials(file: string): Authenticator {
  const authenticator = credsAuthenticator(read(file));
  try {
    // The library reads them only when a server asks, and what it says then sounds as if nobody had answered.
    authenticator("a nonce");
  } catch {
    throw unusable(file, "it holds no user JWT with its seed, as nsc writes them");
  }
  return authenticator;
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code = "unknown" } = cause as NodeJS.ErrnoException;
    throw unusable(file, `it cannot be read: ${code}`, cause);
  }
}

function unusable(file: string, problem: string, cause?: unknown): VnesError {
  return busErrors.create("BUS_SECRET_UNUSABLE", { file, problem }, cause);
}
