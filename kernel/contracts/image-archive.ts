/** What every archive of images keeps, whichever driver it is. The numbers are those of the port. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type CapsuleImage, type ImageArchive, type ImageFile, treeHash } from "@vnes/kernel";

export interface ImageArchiveSubject {
  readonly archive: ImageArchive;
  /** The same place, opened anew; the same object where nothing outlives it. */
  reopen(): ImageArchive;
  cleanup(): Promise<void>;
}

export function imageArchiveContract(driver: {
  readonly name: string;
  open(): Promise<ImageArchiveSubject>;
}): void {
  const it = (title: string, run: (subject: ImageArchiveSubject) => Promise<void>): void => {
    test(`image archive, ${driver.name}: ${title}`, async () => {
      const subject = await driver.open();
      try {
        await run(subject);
      } finally {
        await subject.cleanup();
      }
    });
  };

  it("gives back every byte, name and mode of what was put", async ({ archive, reopen }) => {
    const image = sampleImage({ "impl/main.js": "one", "spec/deep/a.json": "{}", "impl/tool": "#!" });
    await archive.put(image);
    assert.deepEqual(plain(await reopen().get(image.hash)), plain(image));
  });

  it("knows nothing of an image that was never put", async ({ archive }) => {
    assert.equal(await archive.get(sampleImage({ "impl/main.js": "never" }).hash), undefined);
    assert.deepEqual(await archive.list(), []);
  });

  it("takes the same image twice, and lists it once", async ({ archive, reopen }) => {
    const image = sampleImage({ "impl/main.js": "twice" });
    await archive.put(image);
    await archive.put(image);
    await Promise.all([archive.put(image), reopen().put(image)]);
    assert.deepEqual(await archive.list(), [image.hash]);
  });

  it("lists in order, and forgets what is removed", async ({ archive, reopen }) => {
    const images = ["a", "b", "c"].map((text) => sampleImage({ "impl/main.js": text }));
    for (const image of images) await archive.put(image);
    const hashes = images.map(({ hash }) => hash).sort();
    assert.deepEqual(await archive.list(), hashes);
    const [gone = "", ...left] = hashes;
    await archive.remove(gone);
    await archive.remove(gone);
    assert.deepEqual(await reopen().list(), left);
    assert.equal(await archive.get(gone), undefined);
  });
}

/** An image as a reader makes it; files whose name has no dot are executable. */
export function sampleImage(files: { readonly [path: string]: string }): CapsuleImage {
  const list = Object.entries(files).map(([path, text]): ImageFile => {
    const bytes = new TextEncoder().encode(text);
    const sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
    return { path, bytes, executable: !path.includes("."), sha256 };
  });
  list.sort((a, b) => (a.path < b.path ? -1 : 1));
  const digest = {
    sha256: (...chunks: readonly Uint8Array[]) => {
      const hash = createHash("sha256");
      for (const chunk of chunks) hash.update(chunk);
      return hash.digest();
    },
  };
  return {
    hash: treeHash(
      list.map((file) => ({ ...file, size: file.bytes.length })),
      digest,
    ),
    files: list,
  };
}

function plain(image: CapsuleImage | undefined): unknown {
  return {
    hash: image?.hash,
    files: image?.files.map((file) => ({ ...file, bytes: new TextDecoder().decode(file.bytes) })),
  };
}
