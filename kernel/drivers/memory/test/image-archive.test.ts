import { MemoryImageArchive } from "@vnes/driver-memory";
import { imageArchiveContract } from "../../../contracts/image-archive.ts";

imageArchiveContract({
  name: "memory",
  open: async () => {
    const archive = new MemoryImageArchive();
    return { archive, reopen: () => archive, cleanup: async () => {} };
  },
});
