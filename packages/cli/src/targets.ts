// The targets that a command line or a configuration names: built in, or exported by a module.
import type { Target } from "@raceway/core/target";
import { builtInTarget, isBuiltIn } from "@raceway/generator";
import { UsageError } from "./context.ts";
import { loadModule } from "./load-module.ts";
import { moduleUrl } from "./module-url.ts";

type TextOptions = Readonly<Record<string, string>>;

/** `given` are lines like "openapi.title=Chat": target, option, value. Throws {@link UsageError} for what cannot be. */
export async function targetsNamed(
  names: readonly string[],
  given: readonly string[],
  cwd: string,
): Promise<readonly Target[]> {
  const options = optionsByTarget(given, names);
  return Promise.all(names.map((name) => targetNamed(name, options.get(name) ?? {}, cwd)));
}

async function targetNamed(name: string, options: TextOptions, cwd: string): Promise<Target> {
  // A bare word is a name, so that a slip of the hand is told as one; a package or a path has a sign in it.
  if (isBuiltIn(name) || /^\w+$/.test(name)) return builtInTarget(name, options);
  const url = moduleUrl(name, cwd, "Name a built-in target, a file or a package.");
  const { default: exported } = await loadModule(url, name, cwd);
  const target: unknown =
    typeof exported === "function" ? (exported as (options: TextOptions) => unknown)(options) : exported;
  if (!isTarget(target))
    throw new UsageError(
      `${name} exports no target as default: an object with name, contract and generate, or a function that gives one.`,
    );
  if (typeof exported !== "function" && Object.keys(options).length > 0)
    throw new UsageError(`Target ${name} takes no options: its default export is not a function.`);
  return target;
}

function optionsByTarget(
  given: readonly string[],
  names: readonly string[],
): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const options = new Map<string, Record<string, string>>();
  for (const line of given) {
    // The longest name first: one may be the beginning of another.
    const target = names.toSorted((a, b) => b.length - a.length).find((name) => line.startsWith(`${name}.`));
    const [, option, value] = /^(\w+)=(.*)$/s.exec(target === undefined ? "" : line.slice(target.length + 1)) ?? [];
    if (target === undefined || option === undefined || value === undefined)
      throw new UsageError(
        `--target-option ${line} is not TARGET.OPTION=VALUE with a target that --target names: ${names.join(", ")}.`,
      );
    options.set(target, { ...options.get(target), [option]: value });
  }
  return options;
}

function isTarget(value: unknown): value is Target {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    "contract" in value &&
    "generate" in value &&
    typeof value.generate === "function"
  );
}
