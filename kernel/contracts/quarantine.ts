/** What every quarantine keeps, whichever driver it is. The numbers are those of the port. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Quarantine, QuarantineEntry, Reason, RefusedImage } from "@vnes/kernel";
import { sampleImage } from "./image-archive.ts";

export interface QuarantineSubject {
  readonly quarantine: Quarantine;
  /** The same place, opened anew; the same object where nothing outlives it. */
  reopen(): Quarantine;
  cleanup(): Promise<void>;
}

export function quarantineContract(driver: {
  readonly name: string;
  open(): Promise<QuarantineSubject>;
}): void {
  const it = (title: string, run: (subject: QuarantineSubject) => Promise<void>): void => {
    test(`quarantine, ${driver.name}: ${title}`, async () => {
      const subject = await driver.open();
      try {
        await run(subject);
      } finally {
        await subject.cleanup();
      }
    });
  };

  it("lists what put said of each entry, under a name of its own", async ({ quarantine, reopen }) => {
    assert.deepEqual(await quarantine.list(), []);
    const put = await quarantine.put(refused({ at: 7 }));
    assert.match(put.entry, /^qua_[0-9a-f]{12}$/);
    const { origin, id, version, at, reasons, image } = refused({ at: 7 });
    const said = { entry: put.entry, origin, id, version, imageHash: image?.hash ?? null, at, reasons };
    assert.deepEqual(plain(put), said);
    assert.deepEqual((await reopen().list()).map(plain), [said]);
  });

  it("is one entry for the same image and reasons, which says what it was told last (QU1)", async ({
    quarantine,
    reopen,
  }) => {
    const first = await quarantine.put(refused({ at: 1, origin: "/a" }));
    const again = await reopen().put(refused({ at: 2, origin: "/b", evidence: { other: true } }));
    assert.equal(again.entry, first.entry);
    assert.deepEqual((await quarantine.list()).map(plain), [plain(again)]);
    assert.deepEqual([again.at, again.origin], [2, "/b"]);
  });

  it("tells apart other reasons, other images, and places where no image could be read (QU1)", async ({
    quarantine,
  }) => {
    const nothing = { image: null, id: null, version: null };
    const different = [
      refused({}),
      refused({ reasons: [reason("SIGNATURE_INVALID")] }),
      refused({ image: sampleImage({ "impl/main.js": "another" }) }),
      refused({ ...nothing, origin: "/a" }),
      refused({ ...nothing, origin: "/b" }),
    ];
    const names = new Set<string>();
    for (const one of different) names.add((await quarantine.put(one)).entry);
    assert.equal(names.size, different.length);
    assert.equal((await quarantine.put(refused({ ...nothing, origin: "/a", at: 9 }))).at, 9);
    assert.equal((await quarantine.list()).length, different.length);
  });

  it("lists what was refused last first, also when it was refused before (QU2)", async ({
    quarantine,
    reopen,
  }) => {
    const put = (at: number, code: string): Promise<QuarantineEntry> =>
      quarantine.put(refused({ at, reasons: [reason(code)] }));
    for (const at of [3, 1, 5, 2, 4]) await put(at, `CODE_${at}`);
    await put(6, "CODE_1");
    const ats = (await reopen().list()).map(({ at, reasons }) => [at, reasons[0]?.code]);
    assert.deepEqual(ats, [
      [6, "CODE_1"],
      [5, "CODE_5"],
      [4, "CODE_4"],
      [3, "CODE_3"],
      [2, "CODE_2"],
    ]);
  });

  it("lists what was refused at the same time by name (QU2)", async ({ quarantine, reopen }) => {
    const names: string[] = [];
    for (const code of ["A", "B", "C", "D", "E", "F"])
      names.push((await quarantine.put(refused({ reasons: [reason(code)] }))).entry);
    assert.deepEqual(
      (await reopen().list()).map(({ entry }) => entry),
      names.sort(),
    );
  });
}

function reason(code: string): Reason {
  return { code, message: "m", file: "impl/main.js", remedy: "r" };
}

function refused(change: Partial<RefusedImage>): RefusedImage {
  const [id, version] = ["org.example.counter", "0.1.0"];
  const image = sampleImage({ "impl/main.js": "one" });
  const reasons = [reason("RECEIPT_HASH_MISMATCH")];
  return { origin: "/somewhere", id, version, image, at: 1, reasons, evidence: { seen: true }, ...change };
}

/** Without what a driver says beside it. */
function plain({ entry, origin, id, version, imageHash, at, reasons }: QuarantineEntry): QuarantineEntry {
  return { entry, origin, id, version, imageHash, at, reasons };
}
