// Names of generated code: readable, and never the same twice.
import type { ChannelModel, ServiceModel } from "@raceway/core/target";
import fc from "fast-check";
import { expect, test } from "vitest";
import { clientMethod, lowerCamel, nameServices, propertyAccess, propertyName, upperFirst } from "./names.ts";

const message = { typeName: "M", file: "m.proto", type: "M", schema: "MSchema" };

function channel(localName: string): ChannelModel {
  return {
    name: localName,
    localName,
    path: `/S/${localName}`,
    shape: "unary",
    request: message,
    response: message,
    contract: { kind: "call" },
    errors: [],
    key: [],
    comment: [],
    deprecated: false,
  };
}

function service(name: string, ...methods: readonly string[]): ServiceModel {
  return { typeName: name, name, descriptor: name, comment: [], deprecated: false, channels: methods.map(channel) };
}

function namesOf(...services: readonly ServiceModel[]): readonly string[] {
  return [...nameServices(services)].flatMap(([one, names]) => [
    names.client,
    names.connect,
    names.contract,
    names.handlers,
    names.publishers,
    names.definition,
    ...one.channels.flatMap((method) => [names.call(method), names.channel(method)]),
  ]);
}

test("a service is called without its ending", () => {
  expect(namesOf(service("RoomService", "say"))).toEqual([
    "RoomClient",
    "roomClient",
    "roomContract",
    "RoomHandlers",
    "RoomPublishers",
    "roomService",
    "roomSay",
    "roomSayChannel",
  ]);
});

test("a name that would be empty, or another's, is kept", () => {
  expect(namesOf(service("Service"))).toContain("serviceClient");
  expect(namesOf(service("Room"), service("RoomService")).filter((name) => name.endsWith("Client"))).toEqual([
    "RoomClient",
    "roomClient",
    "RoomServiceClient",
    "roomServiceClient",
  ]);
});

test("calls give way to services", () => {
  const names = namesOf(service("Room", "client", "service"), service("Roo", "mClient"));
  expect(names).toContain("roomClient$");
  expect(names).toContain("roomService$");
});

test("whatever a schema calls its services and methods, no two names are the same", () => {
  const name = fc.stringMatching(/^[A-Za-z_](Client|Service|Contract|Channel|Handlers|[A-Za-z0-9_$]){0,2}$/);
  const services = fc.array(fc.tuple(name, fc.uniqueArray(name, { maxLength: 4 })), { maxLength: 4 });
  fc.assert(
    fc.property(services, (given) => {
      const names = namesOf(...given.map(([one, methods]) => service(one, ...methods)));
      expect(new Set(names).size).toBe(names.length);
    }),
  );
});

test("capitals in front become small as one", () => {
  const cases = {
    Room: "room",
    RoomBooking: "roomBooking",
    IAMPolicy: "iamPolicy",
    IAM: "iam",
    S3Bucket: "s3Bucket",
    room: "room",
    _: "_",
    TShirts: "tShirts",
  };
  for (const [given, expected] of Object.entries(cases)) expect(lowerCamel(given)).toBe(expected);
  expect(upperFirst("say")).toBe("Say");
});

test("properties that mean something else to JavaScript", () => {
  expect([
    propertyName("say"),
    propertyName("new"),
    propertyName("delete"),
    propertyName("a-b"),
    propertyName("__proto__"),
  ]).toEqual(["say", '"new"', "delete", '"a-b"', '["__proto__"]']);
  expect([propertyAccess("delete"), propertyAccess("a-b")]).toEqual([".delete", '["a-b"]']);
  expect(clientMethod(channel("then"))).toBe("then$");
});
