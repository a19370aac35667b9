// What a topic says, coded once for all subscribers whose links agreed on the same coder.
import type { BatchStation, CodedGroup, SharedCoder, SharedDictionary, SharedGroup } from "@raceway/core";
import { codedFrame, dictionaryFrame } from "@raceway/core/internal";

/** The shared coders of a node. */
export class TopicCoders {
  readonly #station: BatchStation;
  #dictionaries = 0;

  constructor(station: BatchStation) {
    this.#station = station;
  }

  topic(): TopicCoding {
    return new TopicCoding(this);
  }
  open(wireName: string): SharedCoder {
    return this.#station.share!(wireName);
  }
  /** A number that no other dictionary of this node has. */
  number(): number {
    return ++this.#dictionaries;
  }
}

interface OpenCoder {
  readonly coder: SharedCoder;
  dictionary: SharedDictionary | undefined;
}

/** One topic, epoch and codec. */
export class TopicCoding {
  readonly #coders: TopicCoders;
  readonly #open = new Map<string, OpenCoder>();

  constructor(coders: TopicCoders) {
    this.#coders = coders;
  }

  /** For so many readers, about. */
  group(plain: Uint8Array, audience: number): SharedGroup {
    return new CodableGroup(this, plain, audience);
  }

  /** The fan-out of a group is over. */
  said(group: SharedGroup): void {
    for (const { coder } of this.#open.values()) coder.said?.(group.parts[0]!);
  }

  code(wireName: string, plain: Uint8Array, audience: number): CodedGroup | undefined {
    let open = this.#open.get(wireName);
    if (open === undefined) {
      open = { coder: this.#coders.open(wireName), dictionary: undefined };
      this.#open.set(wireName, open);
    }
    const { dictionary } = open.coder;
    if (dictionary !== undefined && open.dictionary === undefined) {
      const id = this.#coders.number();
      open.dictionary = { id, frame: dictionaryFrame(id, dictionary.coded) };
    }
    const data = open.coder.encode(plain, audience);
    const frame = data && codedFrame(0, open.dictionary?.id ?? 0, plain.length, data);
    return frame && { parts: [frame], dictionary: open.dictionary };
  }
}

class CodableGroup implements SharedGroup {
  readonly parts: readonly Uint8Array[];
  readonly #topic: TopicCoding;
  readonly #audience: number;
  #coded: Map<string, CodedGroup | undefined> | undefined;

  constructor(topic: TopicCoding, plain: Uint8Array, audience: number) {
    this.#topic = topic;
    this.#audience = audience;
    this.parts = [plain];
  }

  coded(wireName: string): CodedGroup | undefined {
    const known = this.#coded?.get(wireName);
    if (known !== undefined || this.#coded?.has(wireName) === true) return known;
    const coded = this.#topic.code(wireName, this.parts[0]!, this.#audience);
    (this.#coded ??= new Map()).set(wireName, coded);
    return coded;
  }
}
