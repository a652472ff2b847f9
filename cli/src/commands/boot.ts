/** `vnes boot`: runs a node in the foreground until it is asked to stop. */
import type { Argv } from "yargs";
import { duration, harmless } from "../output/text.ts";
import { findPlace, type GlobalFlags, type Shell } from "../shell.ts";

export function addBoot(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "boot",
    "Run a node in the foreground",
    (args) =>
      args
        .option("capsules", {
          type: "string",
          array: true,
          default: [] as string[],
          describe: "Also look for capsules in these directories",
          requiresArg: true,
        })
        .option("bus", {
          type: "string",
          describe: "Keep the ledger on these NATS servers: nats://HOST:PORT, several with commas",
          requiresArg: true,
        })
        .option("unconfined-dev", {
          type: "boolean",
          default: false,
          describe: "Run capsules of every zone without their walls; for development only",
        })
        .option("log-level", {
          choices: ["debug", "info", "warn", "error"] as const,
          describe: "How much to log",
        }),
    async (args) => {
      const place = await findPlace(shell, args);
      const { createLog } = await import("../log.ts");
      const log = createLog({
        node: place.node,
        level: args.logLevel ?? place.config.log?.level ?? "info",
        pretty: shell.prettyLogs && args.output !== "json",
        colour: shell.output.colourOnError,
      });
      if (args.unconfinedDev)
        log.warn({}, "--unconfined-dev: capsules of every zone run without their walls");
      const { openNode } = await import("../node/open-node.ts");
      const { busConfig } = await import("../node/open-ledger.ts");
      const { capsules: dirs, unconfinedDev } = args;
      const bus = busConfig(place, args.bus);
      const options = { pid: shell.pid, log, capsules: dirs, unconfinedDev, bus };
      const stop = shell.stopRequested();
      await using open = await openNode(place, options);
      const { node, pid, bootMs, capsules, quarantined, problems } = await open.node.status();
      const active = capsules.filter(({ state }) => state === "active").length;
      const { controlSocket } = open;
      shell.output.data(
        "vnes.boot.v1",
        { node, pid, controlSocket, dataDir: place.paths.dataDir, bootMs, active, capsules, quarantined },
        [
          `node ${node} runs: ${active} of ${capsules.length} capsules active after ${duration(bootMs)}, ${quarantined} in quarantine`,
          ...problems.flatMap((problem) => [
            // It may repeat what a capsule said.
            `${problem.code}  ${harmless(problem.message)}`,
            `  next: ${harmless(shell.output.remedy(problem))}`,
          ]),
          shell.output.next("next: vnes status"),
        ].join("\n"),
      );
      const signal = await stop;
      log.info({ signal }, "stopping");
    },
  );
}
