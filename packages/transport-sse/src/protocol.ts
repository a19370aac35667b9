// What both halves of the SSE transport say to each other.
//
// Opening: a POST whose body carries the first batches, or a GET of EventSource, answered by a stream that lives as long as the link. The stream
// begins with the link's name. Up: POSTs with that name, numbered from 1, one at a time, so that one whose answer was lost can be repeated.
//
// The stream as text: Server-Sent Events. A batch is an event of the default type, a line of data for each line of the batch; one that is not
// plain lines is an event "quoted", a JSON string. Events "link" and "close" carry the name, and the reason of a close ("" if in good order).
// The stream in binary: frames that begin with a varint. n > 0: a batch of n - 1 bytes. 0: a control frame: a byte for its kind, a varint for
// its length, and so many bytes.

export const TRANSPORT = "sse";
export const TEXT_STREAM = "text/event-stream";
export const BINARY_STREAM = "application/vnd.raceway.stream";

/** Id of the first event: an EventSource that comes back by itself says so with it. */
export const STREAM_ID = "1";
export const LAST_EVENT_HEADER = "last-event-id";

/** Requests up: name of the link. Whoever knows it has the link. */
export const LINK_HEADER = "raceway-link";
/** Requests up: their number. */
export const UP_HEADER = "raceway-up";
/** Requests up: the client closes the link. "": in good order, and behind what is in the body; else why, percent-encoded. */
export const CLOSE_HEADER = "raceway-close";
/** Opening: the client's own name of it, so that a repeated one opens one link only. */
export const OPEN_HEADER = "raceway-open";
/** Opening: largest batch that the client takes. */
export const MAX_HEADER = "raceway-max";

/** Kinds of control frames; others are skipped. */
export const CONTROL_LINK = 1;
export const CONTROL_CLOSE = 2;
export const CONTROL_PADDING = 3;
/** Longest control frame. */
export const CONTROL_BYTES = 65_536;

/** `send` says stop above this. */
export const HIGH_WATER_BYTES = 65_536;
/** A close in good order waits so long for the other end to take what was sent before. */
export const CLOSE_MS = 5_000;
/** A repeated opening comes within this time, or not at all. */
export const REPEAT_MS = 5_000;
/** Bytes that open each stream, so that proxies which wait for some begin to pass it on. */
export const PADDING_BYTES = 2_048;
