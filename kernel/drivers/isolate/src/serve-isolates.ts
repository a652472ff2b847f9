/**
 * A sandbox host: a process with one isolate for each capsule instance of its group. Instances take turns, so a busy one
 * holds up its neighbours for a slice and not for a batch.
 */
import { serveHost } from "@vnes/driver-host/serve";
import type { FromHost, ToHost } from "@vnes/driver-sandbox";
import type { Bundle } from "./capsule-isolate.ts";
import { HostedInstance } from "./hosted-instance.ts";
import { rests, watchOverruns } from "./overrun-watch.ts";
import { Rota } from "./rota.ts";

export type { Bundle } from "./capsule-isolate.ts";
export type OpenMessage = Extract<ToHost, { do: "open" }>;

/** The kernel kills a host it hears nothing from; work that goes on is told this often. */
const ALIVE_MS = 100;
const instances = new Map<number, HostedInstance>();
const rota = new Rota<HostedInstance>();
let scheduled = false;
let lastSaid = 0;

let kernel: ReturnType<typeof serveHost>;
let bundleOf: (open: OpenMessage, text: string) => Bundle;

/** Serves the kernel until it is gone; once in a process. `toBundle` reads what came with `open`; it may throw. */
export function serveIsolates(toBundle: typeof bundleOf): void {
  bundleOf = toBundle;
  kernel = serveHost((message, text) => receive(message as ToHost, text.toString("utf8")));
}

function send(message: FromHost, text?: string): void {
  lastSaid = performance.now();
  kernel.send(message, text);
}

function receive(message: ToHost, text: string): void {
  if (message.do === "open") return open(message, text);
  const instance = instances.get(message.id);
  if (instance === undefined) throw new Error(`no instance ${message.id} for ${message.do}`);
  if (!instance.hasWork) rota.enter(instance);
  instance.push(message, text);
  if (scheduled) return;
  scheduled = true;
  // After the messages that arrived together: they are in one order for all.
  process.nextTick(work);
}

function open(message: OpenMessage, text: string): void {
  const { id } = message;
  if (instances.size > 0) watchOverruns();
  try {
    instances.set(id, new HostedInstance(bundleOf(message, text), send));
    send({ did: "open", id });
  } catch (cause) {
    send({ did: "fail", id, reason: describe(cause) });
  }
  // The next one may end this process, and the kernel has to know whom it was loading.
  kernel.flush();
  if (!scheduled) rests();
}

/** Steps until nothing is left or the pass is over; then answers leave and messages are read. */
function work(): void {
  let now = performance.now();
  rota.startPass(now);
  for (let instance = rota.next(now); instance !== undefined; instance = rota.next(now)) {
    const from = now;
    instance.step();
    now = performance.now();
    rota.stepped(instance, from, now, instance.hasWork && !instance.isClosed);
    if (instance.isClosed) forget(instance);
  }
  scheduled = !rota.isEmpty;
  if (!scheduled) return rests();
  if (now - lastSaid > ALIVE_MS) send({ did: "alive" });
  // Between two of these messages are read; behind the first alone they are not, when this pass began with one.
  setImmediate(() => setImmediate(work));
}

function forget(closed: HostedInstance): void {
  rota.forget(closed);
  for (const [id, instance] of instances) if (instance === closed) instances.delete(id);
}

/** A capsule's top level may throw anything. */
function describe(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : "it threw something that is no error";
  return text.slice(0, 500);
}
