/**
 * What every `Messenger` must do, whichever driver it is. The numbers are those of `kernel/src/ports/messenger.ts`.
 * Deadlines are real time here: a driver may have no other.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MAX_PAYLOAD_BYTES, type Messenger } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";

export interface MessengerNetwork {
  /** A messenger of a node of this name, connected. */
  join(node: string): Promise<Messenger>;
  /** The node's connection breaks; resolves once the driver knows. */
  disconnect(node: string): Promise<void>;
  /** It is there again; resolves once the driver knows. */
  reconnect(node: string): Promise<void>;
  cleanup(): Promise<void>;
}

export interface MessengerContract {
  readonly name: string;
  open(): Promise<MessengerNetwork>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytes = (text: string): Uint8Array => encoder.encode(text);
const code = (error: unknown): string => (isVnesError(error) ? error.code : String(error));

/** Long enough for a busy machine to deliver; short enough to fail a test that waits for nothing. */
const PATIENCE_MS = 10_000;

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(Date.now() < end, "waited in vain");
    await new Promise((resume) => setTimeout(resume, 2));
  }
}

export function messengerContract(contract: MessengerContract): void {
  const check = (
    title: string,
    run: (network: MessengerNetwork, a: Messenger, b: Messenger) => Promise<void>,
  ): void =>
    void test(title, async () => {
      const network = await contract.open();
      try {
        await run(network, await network.join("a"), await network.join("b"));
      } finally {
        await network.cleanup();
      }
    });

  describe(`messenger contract: ${contract.name}`, () => {
    check("published payloads reach every other subscriber once, in order (1)", async (network, a, b) => {
      const c = await network.join("c");
      const heard: string[][] = [[], []];
      b.subscribe("t.one", (payload) => heard[0]?.push(decoder.decode(payload)));
      c.subscribe("t.one", (payload) => heard[1]?.push(decoder.decode(payload)));
      c.subscribe("t.two", () => assert.fail("another subject"));
      await Promise.all([b.flush(), c.flush()]);
      const sent = Array.from({ length: 500 }, (_, index) => `event ${index}`);
      for (const event of sent) assert.equal(a.publish("t.one", bytes(event)), true);
      await a.flush();
      await until(() => heard.every(({ length }) => length >= sent.length));
      assert.deepEqual(heard, [sent, sent]);
    });

    check("a node does not hear itself, and nobody after unsubscribing (2)", async (_, a, b) => {
      const heard: string[] = [];
      a.subscribe("t.x", () => heard.push("a"));
      const end = b.subscribe("t.x", () => heard.push("b"));
      await Promise.all([a.flush(), b.flush()]);
      a.publish("t.x", bytes("1"));
      await until(() => heard.length > 0);
      end();
      await b.flush();
      a.publish("t.x", bytes("2"));
      await a.flush();
      // Whatever was on its way before this answer has arrived.
      b.serve("ping", () => bytes(""));
      await a.request("b", "ping", bytes(""), PATIENCE_MS);
      assert.deepEqual(heard, ["b"]);
    });

    check("a thousand requests at once each get their own answer (3, 5)", async (_, a, b) => {
      b.serve("echo", (payload, from) => bytes(`${from}:${decoder.decode(payload)}`));
      await b.flush();
      const asked = Array.from({ length: 1_000 }, (_, index) => `q${index}`);
      const answers = await Promise.all(asked.map((one) => a.request("b", "echo", bytes(one), PATIENCE_MS)));
      assert.deepEqual(
        answers.map((one) => decoder.decode(one)),
        asked.map((one) => `a:${one}`),
      );
    });

    check("answers may come later and in another order", async (_, a, b) => {
      const open: ((answer: Uint8Array) => void)[] = [];
      b.serve("slow", async (payload) => {
        const text = decoder.decode(payload);
        await new Promise<Uint8Array>((resolve) => open.push(resolve));
        return bytes(text);
      });
      await b.flush();
      const first = a.request("b", "slow", bytes("1"), PATIENCE_MS);
      const second = a.request("b", "slow", bytes("2"), PATIENCE_MS);
      await until(() => open.length === 2);
      open[1]?.(bytes(""));
      assert.equal(decoder.decode(await second), "2");
      open[0]?.(bytes(""));
      assert.equal(decoder.decode(await first), "1");
    });

    check(
      "a request nobody hears ends with its deadline, and a late answer is counted (3, 6)",
      async (_, a, b) => {
        const error = await a.request("nobody", "x", bytes(""), 30).catch(code);
        assert.equal(error, "MESSENGER_TIMEOUT");
        const open: (() => void)[] = [];
        b.serve("late", () => new Promise((resolve) => open.push(() => resolve(bytes("now")))));
        await b.flush();
        assert.equal(await a.request("b", "late", bytes(""), 30).catch(code), "MESSENGER_TIMEOUT");
        await until(() => open.length === 1);
        open[0]?.();
        await until(() => (a.counts()["answer.late"] ?? 0) === 1);
        assert.equal(a.counts()["request.timedOut"], 2);
      },
    );

    check("a refusal arrives with its code; an unknown service has one (3)", async (_, a, b) => {
      b.serve("no", () => {
        throw new TypeError("not today");
      });
      await b.flush();
      const refused = await a.request("b", "no", bytes(""), PATIENCE_MS).catch((error: unknown) => error);
      assert.ok(isVnesError(refused));
      assert.equal(refused.code, "MESSENGER_REFUSED");
      assert.match(refused.message, /UNEXPECTED not today/);
      const unknown = await a.request("b", "what", bytes(""), PATIENCE_MS).catch((error: unknown) => error);
      assert.match(String(unknown), /MESSENGER_SERVICE_UNKNOWN/);
    });

    check("a tell arrives with its sender's name, and in order with requests (1, 5)", async (_, a, b) => {
      const heard: string[] = [];
      b.serve("note", (payload, from) => {
        heard.push(`${from}:${decoder.decode(payload)}`);
        return undefined;
      });
      await b.flush();
      for (const text of ["1", "2"]) assert.equal(a.tell("b", "note", bytes(text)), true);
      const answer = await a.request("b", "note", bytes("3"), PATIENCE_MS);
      assert.equal(answer.length, 0);
      assert.deepEqual(heard, ["a:1", "a:2", "a:3"]);
    });

    check(
      "what is larger than a message travels in parts, both ways; a publish is refused (5)",
      async (_, a, b) => {
        b.serve("echo", (payload) => payload);
        await b.flush();
        const size = 2 * a.maxPublishBytes + 12_345;
        const large = Uint8Array.from({ length: size }, (_, index) => (index * 31) % 251);
        const back = await a.request("b", "echo", large, PATIENCE_MS);
        assert.ok(Buffer.from(back).equals(large));
        assert.throws(
          () => a.publish("t.large", new Uint8Array(a.maxPublishBytes + 1)),
          (error) => code(error) === "MESSENGER_PAYLOAD_TOO_LARGE",
        );
        const over = new Uint8Array(MAX_PAYLOAD_BYTES + 1);
        assert.equal(await a.request("b", "echo", over, 100).catch(code), "MESSENGER_PAYLOAD_TOO_LARGE");
        b.serve("grow", () => over);
        assert.match(String(await a.request("b", "grow", bytes(""), PATIENCE_MS).catch(String)), /TOO_LARGE/);
        assert.equal(a.publish("t.large", new Uint8Array(a.maxPublishBytes)), true);
      },
    );

    check("requests beyond the bound are refused at once (4)", async (_, a, b) => {
      b.serve("never", () => new Promise(() => undefined));
      await b.flush();
      const waiting: Promise<unknown>[] = [];
      for (let index = 0; index < 16_384; index++)
        waiting.push(a.request("b", "never", bytes(""), PATIENCE_MS).catch(code));
      assert.equal(await a.request("b", "never", bytes(""), PATIENCE_MS).catch(code), "MESSENGER_BUSY");
      await a[Symbol.asyncDispose]();
      assert.deepEqual([...new Set(await Promise.all(waiting))], ["MESSENGER_CLOSED"]);
      assert.equal(await a.request("b", "never", bytes(""), 10).catch(code), "MESSENGER_CLOSED");
      assert.equal(a.publish("t.x", bytes("")), false);
    });

    check(
      "without a connection everything is refused with a code, and goes on when it is back (3, 4, 6)",
      async (network, a, b) => {
        b.serve("echo", (payload) => payload);
        let heard = 0;
        b.subscribe("t.x", () => heard++);
        await b.flush();
        assert.equal((await a.request("b", "echo", bytes("1"), PATIENCE_MS)).length, 1);
        await network.disconnect("a");
        assert.equal(
          await a.request("b", "echo", bytes("2"), PATIENCE_MS).catch(code),
          "MESSENGER_DISCONNECTED",
        );
        assert.equal(a.publish("t.x", bytes("lost")), false);
        assert.ok((a.counts()["publish.gone"] ?? 0) >= 1);
        await network.reconnect("a");
        assert.equal((await a.request("b", "echo", bytes("34"), PATIENCE_MS)).length, 2);
        assert.equal(heard, 0);
      },
    );

    check("a name that would be more than a name is refused", async (_, a) => {
      for (const name of ["", "a b", "a.*", ">", "a..b", "x".repeat(201), "a\r\nPUB"]) {
        assert.throws(
          () => a.publish(name, bytes("")),
          (error) => code(error) === "MESSENGER_SUBJECT_INVALID",
        );
        assert.equal(await a.request(name, "x", bytes(""), 10).catch(code), "MESSENGER_SUBJECT_INVALID");
      }
    });
  });
}
