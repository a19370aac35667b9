// Messages as deep as one likes, in each way that a message can lie in another.
import { type MessageShape, create } from "@bufbuild/protobuf";
import { CodecTreeSchema } from "../gen/raceway/testkit/v1/codec_kit_pb.ts";

type Tree = MessageShape<typeof CodecTreeSchema>;

/** A child in a child. */
export function nested(depth: number): Tree {
  let init = create(CodecTreeSchema, { name: "leaf" });
  for (let at = 1; at < depth; at++) {
    const outer = create(CodecTreeSchema);
    outer.child = init;
    init = outer;
  }
  return init;
}
/** A list in a list. */
export function listed(depth: number): Tree {
  let init = create(CodecTreeSchema, { name: "leaf" });
  for (let at = 1; at < depth; at++) {
    const outer = create(CodecTreeSchema);
    outer.children.push(init);
    init = outer;
  }
  return init;
}
/** A list value in a list value, of `google.protobuf.Value`. */
export function valued(depth: number): Tree {
  const message = create(CodecTreeSchema, { any: { kind: { case: "listValue", value: {} } } });
  let list = message.any!.kind.value as { values: unknown[] };
  for (let at = 1; at < depth; at++) {
    const inner = create(CodecTreeSchema, { any: { kind: { case: "listValue", value: {} } } }).any!;
    list.values.push(inner);
    list = inner.kind.value as { values: unknown[] };
  }
  return message;
}
