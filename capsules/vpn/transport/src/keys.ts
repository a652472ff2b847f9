/**
 * Which keys a handshake yields, and from what. Three agreements: the initiator's ephemeral with the responder's
 * long-term key (proves the responder), both ephemerals (forward secrecy), the initiator's long-term key with the
 * responder's ephemeral (proves the initiator). Both ends derive the same from either side of each agreement.
 */
import type { BytesPower, CryptoPower } from "@vnes/sdk/driver";
import { concat, KEY_BYTES, PROTOCOL_LABEL } from "./wire.ts";

export interface ChannelKeys {
  readonly fromInitiator: Uint8Array;
  readonly fromResponder: Uint8Array;
}

/** Public keys, as far as they are known. */
export interface Parties {
  readonly responder: Uint8Array;
  readonly initiatorEphemeral: Uint8Array;
  readonly responderEphemeral: Uint8Array;
}

export interface Derivation {
  readonly label: Uint8Array;
  /** Seals the Cookie message; `ephemeralStatic` is shared by the initiator's ephemeral and the responder's key. */
  cookieKey(ephemeralStatic: Uint8Array, responder: Uint8Array, initiatorEphemeral: Uint8Array): Uint8Array;
  /** Seals the one Initiate of these ephemerals, so its nonce is zero. */
  initiateKey(ephemeralStatic: Uint8Array, ephemerals: Uint8Array, parties: Parties): Uint8Array;
  /** What only the owner of the initiator's long-term key, or of the responder's ephemeral, can make. */
  vouch(staticEphemeral: Uint8Array, parties: Parties, initiator: Uint8Array): Uint8Array;
  channelKeys(
    ephemeralStatic: Uint8Array,
    ephemerals: Uint8Array,
    staticEphemeral: Uint8Array,
    parties: Parties,
    initiator: Uint8Array,
  ): ChannelKeys;
}

export function createDerivation(crypto: CryptoPower, bytes: BytesPower): Derivation {
  const label = bytes.fromUtf8(PROTOCOL_LABEL);
  const forCookie = bytes.fromUtf8("cookie");
  const forInitiate = bytes.fromUtf8("initiate");
  const forVouch = bytes.fromUtf8("vouch");
  const forFrames = bytes.fromUtf8("frames");
  const ephemeralTranscript = (parties: Parties) =>
    crypto.sha256(label, parties.responder, parties.initiatorEphemeral, parties.responderEphemeral);
  const transcript = (parties: Parties, initiator: Uint8Array) =>
    crypto.sha256(
      label,
      parties.responder,
      parties.initiatorEphemeral,
      parties.responderEphemeral,
      initiator,
    );
  return {
    label,
    cookieKey: (ephemeralStatic, responder, initiatorEphemeral) =>
      crypto.hkdf(ephemeralStatic, crypto.sha256(label, responder, initiatorEphemeral), forCookie, KEY_BYTES),
    initiateKey: (ephemeralStatic, ephemerals, parties) =>
      crypto.hkdf(concat(ephemeralStatic, ephemerals), ephemeralTranscript(parties), forInitiate, KEY_BYTES),
    vouch: (staticEphemeral, parties, initiator) =>
      crypto.hkdf(staticEphemeral, transcript(parties, initiator), forVouch, KEY_BYTES),
    channelKeys(ephemeralStatic, ephemerals, staticEphemeral, parties, initiator) {
      const secret = concat(ephemeralStatic, ephemerals, staticEphemeral);
      const keys = crypto.hkdf(secret, transcript(parties, initiator), forFrames, 2 * KEY_BYTES);
      return { fromInitiator: keys.slice(0, KEY_BYTES), fromResponder: keys.slice(KEY_BYTES) };
    },
  };
}
