// Names of generated files.

/** "chat/v1/room.proto" and ".client" give "chat/v1/room.client.ts". */
export function outputPath(source: string, ending: string): string {
  return documentPath(source, `${ending}.ts`);
}

/** "chat/v1/room.proto" and ".md" give "chat/v1/room.md". */
export function documentPath(source: string, ending: string): string {
  return source.replace(/\.proto$/, "") + ending;
}
