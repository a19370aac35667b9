// The target: of each schema file with services a list of its channels, a line each.
import { CONTRACT } from "@raceway/core";
import type { ChannelModel, FileModel, OutputFile, Target } from "@raceway/core/target";
import { type ChannelsOptions, resolveChannelsOptions } from "./options.ts";

/** For `targets` in raceway.config.ts, and for `raceway generate --target raceway-target-channels`. Throws for wrong options. */
export default function channels(given: ChannelsOptions = {}): Target {
  const options = resolveChannelsOptions(given); // wrong options fail here, on the user's line
  return {
    name: "channels",
    contract: CONTRACT,
    // What is written of a file follows from that file and what it imports alone: `--watch` need not look at others.
    perFile: true,
    *generate(model): Generator<OutputFile> {
      for (const file of model.files) {
        const lines = linesOf(file);
        if (lines.length === 0) continue;
        yield {
          path: `${pathOf(file.path)}.channels.txt`,
          source: file.path,
          text: [...(options.title === "" ? [] : [options.title, ""]), ...lines, ""].join("\n"),
        };
      }
    },
  };
}

/** "topic  /chat.v1.RoomService/Messages  MessagesRequest -> Message  All that is said in a room." */
function linesOf({ services }: FileModel): readonly string[] {
  return services.flatMap(({ channels }) => channels.map(lineOf));
}

function lineOf({ contract, path, request, response, comment }: ChannelModel): string {
  const about = plain(comment.join(" "));
  return [contract.kind, path, `${request.typeName} -> ${response.typeName}`, ...(about === "" ? [] : [about])].join(
    "  ",
  );
}

/** A comment is whatever the schema's author wrote. In a list of lines it has to stay on its own. */
function plain(text: string): string {
  return text.replaceAll(/[\p{C}\p{Z}\s]+/gu, " ").trim();
}

/** Without its ending, and without what not every disk takes in a name; different paths stay different. */
function pathOf(path: string): string {
  return path.replace(/\.proto$/, "").replaceAll(/[^\w./ -]/g, (sign) => `_${sign.codePointAt(0)!.toString(16)}_`);
}
