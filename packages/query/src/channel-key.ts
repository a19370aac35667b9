// Keys of queries: the channel's path, its request in protobuf's JSON form, and what is made of the messages.
import {
  type DescMessage,
  type DescMethod,
  type JsonValue,
  type MessageInitShape,
  create,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";

/** `["/chat.v1.RoomService/Messages", { "room": "tea" }, "live"]`: plain JSON, so it is hashed, kept and shown as any key. */
export type ChannelKey = readonly [path: string, ...rest: JsonValue[]];

/** The beginning of all keys of a channel or, with a request, of all that is asked of it by that. */
export function channelKey<I extends DescMessage>(
  method: DescMethod & { readonly input: I },
  request?: MessageInitShape<I>,
): ChannelKey {
  const path = `/${method.parent.typeName}/${method.name}`;
  return request === undefined ? [path] : [path, requestKey(method.input, request)];
}

/**
 * The same for all that say the same: 64-bit numbers are text and bytes are base64, so what JSON.stringify cannot take or would mistake has its own key; zero and unset are one. Fields that are
 * zero are there, since TanStack takes a key that lacks one for a key of all.
 */
function requestKey<I extends DescMessage>(schema: I, request: MessageInitShape<I>): JsonValue {
  const message = create(schema, request);
  try {
    return toJson(schema, message, { alwaysEmitImplicit: true });
  } catch {
    return base64Encode(toBinary(schema, message)); // an Any of a type that nobody knows here has no JSON
  }
}
