/** Whose a capsule outside of the system zone is. */
import type { Manifest } from "@vnes/schemas";

/**
 * A namespace, which only certain keys may sign for, and the owner the manifest names, which anybody may write. Without an owner a
 * capsule is a tenant of its own.
 */
export function tenantOf({ id, governance }: Manifest): string {
  const [namespace = id] = id.split(".");
  // Written so that no owner can look like another one's tenant.
  return governance.owner === undefined ? id : `${namespace}/${encodeURIComponent(governance.owner)}`;
}
