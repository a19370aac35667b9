// What the user's code is seen to have. Plain data: who reads code stands behind it, and nothing else knows the parser.
import type { ChannelKind } from "@raceway/core";

/** Offsets into a file's text, in UTF-16 code units; a byte order mark does not count. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface CodePlace extends Span {
  /** Absolute. */
  readonly file: string;
}

/** A service whose handlers are looked for. */
export interface WantedService {
  /** "chat.v1.RoomService". */
  readonly typeName: string;
  /** The generated file that declares what handlers have to be; absolute. */
  readonly serverFile: string;
  /** Its path in the output folder, without an ending: in a package that was built, its declarations have it, too. */
  readonly serverModule: string;
  /** What it exports: "RoomHandlers", "roomService". */
  readonly handlers: string;
  readonly definition: string;
  /** All channels, by their names in TypeScript. */
  readonly channels: ReadonlyMap<string, WantedChannel>;
}

export interface WantedChannel {
  readonly kind: ChannelKind;
  /** Topics and states are published to; all others need a handler. */
  readonly handled: boolean;
  readonly takes: "message" | "stream";
  readonly gives: "message" | "stream" | "nothing";
}

/** Who reads code. */
export interface CodeReader {
  /** Throws a `GenerateFailure` for a wrong tsconfig.json; a file that cannot be analysed is in what it gives. */
  readCode(request: CodeRequest): CodeFacts;
  /** Facts of a file by itself; of a new one, with "". */
  readFile(path: string, text: string): FileFacts;
  /** Whether a text has no error of syntax. */
  parses(path: string, text: string): boolean;
}

export interface CodeRequest {
  /** Absolute. */
  readonly cwd: string;
  /** A tsconfig.json, absolute; else the nearest of the working folder or above it. */
  readonly project?: string | undefined;
  readonly services: readonly WantedService[];
  /** Texts of generated files by their absolute paths, as the schemas give them, whatever is on the disk. */
  readonly generated: ReadonlyMap<string, string>;
  /** Also looks where generated files are imported by a name that does not tell them, which takes longer. */
  readonly anyImport?: boolean;
  /** Absolute paths of files that are looked at although no tsconfig.json has them; they need not be there. */
  readonly also: readonly string[];
  /** Also says what the compiler finds wrong with these files. */
  readonly types: boolean;
}

export interface CodeFacts {
  readonly sites: readonly HandlerSite[];
  /** What could not be analysed. */
  readonly unreadable: readonly Unreadable[];
  /** Files in which there is a site, or that were asked for. */
  readonly files: ReadonlyMap<string, FileFacts>;
  /** The compiler minds parameters that are not used. */
  readonly unusedParameters: boolean;
  /** Empty unless asked for. */
  readonly typeErrors: readonly TypeFinding[];
}

/** A place in which a service is implemented, or seems to be. */
export interface HandlerSite {
  /** One of those that were asked for. */
  readonly service: WantedService;
  /** What to point at when all of it is meant. */
  readonly place: CodePlace;
  /** Channels without a handler. */
  readonly missing: readonly string[];
  /** Handlers without a channel. */
  readonly unknown: readonly { readonly name: string; readonly place: CodePlace }[];
  readonly wrong: readonly WrongHandler[];
  /** Where handlers can be added; absent: nowhere. */
  readonly slot?: Slot;
}

export interface WrongHandler {
  readonly name: string;
  readonly place: CodePlace;
  /** What it takes and gives in place of what the channel does, if that is what is wrong. */
  readonly takes?: "message" | "stream";
  readonly gives?: "message" | "stream";
  /** What the compiler says. */
  readonly detail: string;
}

/** A body in braces that members can be added to. */
export interface Slot {
  readonly form: "object" | "class";
  /** Behind the opening brace. */
  readonly open: number;
  /** Before the closing brace. */
  readonly close: number;
  /** Ends of the last member, and of the comma behind it. */
  readonly last?: { readonly end: number; readonly comma?: number };
  /** White space before a member that begins its line. */
  readonly indent?: string;
  /** White space before the line of the closing brace, or of the opening one if they share it. */
  readonly base: string;
  /** An empty line between members; unknown for fewer than two. */
  readonly spaced?: boolean;
  /** Parameters get their types from the context. */
  readonly typed: boolean;
}

export interface Unreadable {
  readonly place: CodePlace;
  readonly why: string;
  /** Whose handlers may be there. */
  readonly services: readonly WantedService[];
}

export interface TypeFinding {
  readonly place: CodePlace;
  /** "TS2322: Type …". */
  readonly message: string;
}

export interface FileFacts {
  /** Absolute. */
  readonly path: string;
  /** Without a byte order mark. */
  readonly text: string;
  /** JavaScript: no types can be written. */
  readonly script: boolean;
  /** It has an import or an export. */
  readonly module: boolean;
  readonly imports: readonly ImportFacts[];
  /** Where a new import goes that is the first; behind the last one if there are some. */
  readonly importsAt: number;
  /** More code follows on the line of `importsAt`. */
  readonly crowded: boolean;
  /** All names that the file declares, at any depth. */
  readonly declared: ReadonlySet<string>;
  readonly style: Style;
}

export interface ImportFacts {
  readonly module: string;
  /** The file that it is; absent for a package, and if nobody knows. */
  readonly resolved?: string;
  /** `import type`. */
  readonly typeOnly: boolean;
  readonly names: readonly { readonly name: string; readonly local: string; readonly typeOnly: boolean }[];
  /** Of `{ … }`: where a name can be added; absent if there are no braces, or attributes behind them. */
  readonly braces?: Pick<Slot, "open" | "close" | "last" | "indent">;
}

export interface Style {
  readonly quote: '"' | "'";
  readonly semicolons: boolean;
  readonly eol: "\n" | "\r\n";
  /** One step of indentation. */
  readonly unit: string;
  readonly trailingCommas: boolean;
  /** The compiler minds parameters that are not used, so they begin with "_". */
  readonly unusedParameters: boolean;
}
