// A name server of one zone on a free UDP port: answers SRV questions, and nothing else (RFC 1035, RFC 2782).
import { createSocket } from "node:dgram";

export interface Srv {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}
export interface DnsServer extends AsyncDisposable {
  /** "127.0.0.1:53535", for `Resolver.setServers`. */
  readonly address: string;
  /** What it says; an empty list is "no such name". */
  records: readonly Srv[];
  /** It stops to answer. */
  silent: boolean;
  /** Questions so far. */
  asked: number;
}

const TYPE_SRV = 33;
const CLASS_IN = 1;
const NO_SUCH_NAME = 3;

export async function dnsServer(zone: string): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const server: DnsServer = {
    address: "",
    records: [],
    silent: false,
    asked: 0,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
  socket.on("message", (question, from) => {
    server.asked++;
    if (!server.silent) socket.send(answer(question, zone, server.records), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return Object.assign(server, { address: `127.0.0.1:${socket.address().port}` });
}

/** Header, the question again, and a record per answer whose name points at the question's. */
function answer(question: Buffer, zone: string, records: readonly Srv[]): Buffer {
  let end = 12;
  const labels: string[] = [];
  for (let length = question[end]!; length > 0; length = question[end]!) {
    labels.push(question.toString("latin1", end + 1, end + 1 + length));
    end += 1 + length;
  }
  end += 1;
  const known =
    labels.join(".").toLowerCase() === zone && question.readUInt16BE(end) === TYPE_SRV && records.length > 0;
  const header = Buffer.alloc(12);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8580 | (known ? 0 : NO_SUCH_NAME), 2); // an authoritative answer
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(known ? records.length : 0, 6);
  const parts = [header, question.subarray(12, end + 4)];
  for (const { priority, weight, port, target } of known ? records : []) {
    const name = Buffer.concat([
      ...target.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
      Buffer.from([0]),
    ]);
    const head = Buffer.alloc(18);
    head.writeUInt16BE(0xc00c, 0); // the name at offset 12
    head.writeUInt16BE(TYPE_SRV, 2);
    head.writeUInt16BE(CLASS_IN, 4);
    head.writeUInt32BE(30, 6); // seconds to live
    head.writeUInt16BE(6 + name.length, 10);
    head.writeUInt16BE(priority, 12);
    head.writeUInt16BE(weight, 14);
    head.writeUInt16BE(port, 16);
    parts.push(head, name);
  }
  return Buffer.concat(parts);
}
