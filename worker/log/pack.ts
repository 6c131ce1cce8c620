// Events as they travel to the log: which partition each belongs to, its line, and pieces that one call carries.
// Lines are made piece by piece, when they are sent: a large request is in memory once, not twice. Pure.
import { APPEND_CALL_MAX_BYTES, CLAIM_CHECK_MAX_BYTES } from '../../shared/limits.ts';
import { partitionOf } from '../../shared/mapreduce/hash.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { NewEvent } from './events.ts';
import type { PackedEvents } from '../contracts/log.rpc.ts';

export interface Packing {
  partitions: number;
  /** Ids of events that have none are this and their place in the request. */
  idBase: string;
  /** Or these, by place in the request: made by a producer, so unique, and not looked up. */
  ids?: readonly string[] | undefined;
  /** For events without a time. */
  time: string;
  /** Claims that stand for the events' payloads, or replace those that they came with, by place in the request. */
  claims: ReadonlyMap<number, Claim>;
  /** The events' sequences, when an idempotent producer sent them. A sequence's events stay in one piece. */
  sequences: readonly number[] | null;
  /** Pieces must come out the same when the request comes again, also where other payloads are claim-checked then. */
  repeatable: boolean;
}

export interface Piece extends PackedEvents {
  sequences: number[] | null;
}

const PAYLOAD_FIELD = ',"payload":';
const CLAIM_FIELD = ',"claim":';
/** UTF-16 units a piece: three bytes each at most. */
const PIECE_CHARS = Math.floor(APPEND_CALL_MAX_BYTES / 3);

/** Places in the request by partition, in order. Partitions without events are left out. */
export function byPartition(events: readonly NewEvent[], packing: Packing): Map<number, number[]> {
  const places = new Map<number, number[]>();
  events.forEach((event, i) => {
    const partition = partitionOf(event.key ?? idOf(event, i, packing), packing.partitions);
    const list = places.get(partition);
    if (list) list.push(i);
    else places.set(partition, [i]);
  });
  return places;
}

/** The events of one partition, in pieces of about APPEND_CALL_MAX_BYTES at most, and of one event at least. */
export function* piecesOf(
  events: readonly NewEvent[],
  places: readonly number[],
  packing: Packing,
): Generator<Piece> {
  const { sequences, repeatable } = packing;
  let building = new PieceBuilder(sequences !== null);
  let previous: number | null = null;
  for (const place of places) {
    const event = events[place] as NewEvent;
    const claim = packing.claims.get(place) ?? event.claim;
    const line = lineOf(event, idOf(event, place, packing), claim, packing.time);
    const sequence = sequences?.[place] ?? null;
    const chars = repeatable ? repeatableChars(event, line, claim) : line.length;
    const together = sequence !== null && sequence === previous;
    if (building.isFull(chars) && !together) {
      yield building.piece();
      building = new PieceBuilder(sequences !== null);
    }
    building.add(line, chars, event.id, claim, sequence);
    previous = sequence;
  }
  if (building.count > 0) yield building.piece();
}

class PieceBuilder {
  readonly #lines: string[] = [];
  readonly #claims: PackedEvents['claims'] = [];
  readonly #sequences: number[] | null;
  #ids: (string | null)[] | null = null;
  #chars = 0;

  constructor(sequenced: boolean) {
    this.#sequences = sequenced ? [] : null;
  }

  get count(): number {
    return this.#lines.length;
  }

  /** One more of this size does not fit. */
  isFull(chars: number): boolean {
    return this.count > 0 && this.#chars + chars > PIECE_CHARS;
  }

  add(
    line: string,
    chars: number,
    id: string | null,
    claim: Claim | null,
    sequence: number | null,
  ): void {
    const index = this.count;
    if (id !== null) this.#ids ??= new Array<string | null>(index).fill(null);
    this.#ids?.push(id);
    if (claim) this.#claims.push({ index, token: claim.token, bytes: claim.bytes });
    if (sequence !== null) this.#sequences?.push(sequence);
    this.#lines.push(line);
    this.#chars += chars + 1;
  }

  piece(): Piece {
    return {
      text: this.#lines.join('\n'),
      count: this.count,
      ids: this.#ids,
      claims: this.#claims,
      sequences: this.#sequences,
    };
  }
}

const idOf = ({ id }: NewEvent, place: number, { ids, idBase }: Packing): string =>
  id ?? ids?.[place] ?? `${idBase}-${place.toString(36)}`;

function lineOf(event: NewEvent, id: string, claim: Claim | null, time: string): string {
  const { type, key, payload, source } = event;
  let line = `{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)},"key":`;
  line += key === null ? 'null' : JSON.stringify(key);
  line += `,"time":${JSON.stringify(event.time ?? time)}`;
  if (claim) line += CLAIM_FIELD + claimJson(claim);
  else if (payload !== null) line += PAYLOAD_FIELD + payload;
  if (source) line += `,"source":${JSON.stringify(source)}`;
  return `${line}}`;
}

const claimJson = ({ token, bytes, sha256, contentType }: Claim) =>
  JSON.stringify({ token, bytes, sha256, contentType });

/** The line's size as it would be with its payload inline: it does not depend on what is claim-checked. */
function repeatableChars({ payload }: NewEvent, line: string, claim: Claim | null): number {
  if (payload === null || !claim) return line.length;
  const inline = PAYLOAD_FIELD.length + Math.min(payload.length, CLAIM_CHECK_MAX_BYTES);
  return line.length - CLAIM_FIELD.length - claimJson(claim).length + inline;
}
