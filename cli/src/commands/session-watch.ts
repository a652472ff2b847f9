/** `vnes session watch`: the events of one session, or of all, as they come; it ends with the session, or on Ctrl-C. */
import type { EventPage } from "@vnes/kernel";
import type { Argv } from "yargs";
import type { ControlClient } from "../control/client.ts";
import { eventLine } from "../session/event-line.ts";
import { text } from "../session/fields.ts";
import { isEnd, isOf, openTopics, seenEvent } from "../session/session-events.ts";
import { assertVpn, knownSession } from "../session/sessions.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

const PAGE = 64;
/** How long one question waits at the node for a new event: an end that is asked for is seen after at most this. */
const WAIT_MS = 1_000;

export function addSessionWatch(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "watch [session]",
    "Follow a session, or all, a line an event; ends with the session, or on Ctrl-C",
    (args) => args.positional("session", { type: "string", describe: "Such as ses_...; default all" }),
    async (args) => {
      const { session } = args;
      const stop = shell.stopRequested();
      await withNode(shell, args, async (client) => {
        const topics = await openTopics(client);
        if (topics.length === 0) await assertVpn(client);
        const watch = new Watch(client, shell, session);
        void stop.then(() => watch.end());
        // From before the question whether it lives: an end in between is not missed.
        const runs = topics.flatMap(({ topic, lastSeqs }) =>
          lastSeqs.map((last, partition) => watch.run(topic, partition, last + 1)),
        );
        if (session !== undefined) {
          try {
            await watch.begin(session);
          } catch (error) {
            watch.end();
            await Promise.allSettled(runs);
            throw error;
          }
        }
        await Promise.all(runs);
      });
    },
  );
}

class Watch {
  readonly #client: ControlClient;
  readonly #shell: Shell;
  readonly #session: string | undefined;
  #owner: string | null = null;
  #isOver = false;

  constructor(client: ControlClient, shell: Shell, session: string | undefined) {
    this.#client = client;
    this.#shell = shell;
    this.#session = session;
  }

  end(): void {
    this.#isOver = true;
  }

  /** Ends at once for a session that has ended already. Rejects for one that is not known here. */
  async begin(session: string): Promise<void> {
    const known = await knownSession(this.#client, session);
    const view = known.role === "owner" ? known.view : known.status;
    this.#owner = text(view, "owner");
    if (text(view, "state") !== "TERMINATED" && text(view, "mode") !== "ended") return;
    this.#shell.output.say(`${session} has ended: vnes session explain ${session}`);
    this.end();
  }

  async run(topic: string, partition: number, first: number): Promise<void> {
    for (let from = first; !this.#isOver; ) {
      const params = { topic, partition, from: { seq: from }, limit: PAGE, wait_ms: WAIT_MS };
      const page = (await this.#client.request("topic.read", params)) as unknown as EventPage;
      for (const kept of page.events) {
        const seen = seenEvent(topic, kept);
        if (this.#isOver || !isOf(seen, this.#session, this.#owner)) continue;
        const line = eventLine(seen, this.#session !== undefined);
        this.#shell.output.data("vnes.session.event.v1", seen, line);
        if (this.#session !== undefined && isEnd(seen)) this.end();
      }
      from = page.next;
    }
  }
}
