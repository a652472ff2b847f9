/** How an error or a list of reasons reads: code, what happened, where, and what to do next. */
import type { Reason } from "@vnes/kernel";
import { EXIT_CODES, type VnesError } from "@vnes/schemas";
import type { Output } from "./output.ts";
import { harmless } from "./text.ts";

/** Where in a file, when the error knows. */
const PLACES = ["file", "pointer", "line"] as const;

export function showError(output: Output, error: VnesError): void {
  const { code, message, exit, details } = error;
  const remedy = output.remedy(error);
  const json = { schema: "vnes.error.v1", code, message, remedy, exit: EXIT_CODES[exit], details };
  const place = PLACES.flatMap((name) => {
    const value = details[name];
    if (typeof value !== "string" && typeof value !== "number") return [];
    return message.includes(String(value)) ? [] : [`${name} ${value}`];
  });
  const lines = [
    `${output.paintError("red", code)}  ${harmless(message)}`,
    ...(place.length === 0 ? [] : [`  at: ${harmless(place.join(", "))}`]),
    `next: ${harmless(remedy)}`,
  ];
  output.problem(json, lines.join("\n"));
}

export function reasonsText(output: Output, reasons: readonly Reason[]): string {
  return reasons
    .map((reason) => {
      const { code, message, file, pointer } = reason;
      const at = [file, pointer].filter((part) => part !== undefined && part !== "").join(" at ");
      return [
        `${output.paint("red", code)}  ${harmless(message)}`,
        ...(at === "" ? [] : [`  at: ${harmless(at)}`]),
        `  next: ${harmless(output.remedy(reason))}`,
      ].join("\n");
    })
    .join("\n");
}
