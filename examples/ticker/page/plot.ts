// The plot of a panel: a line whose colour says which transport brought each quote, and a mark wherever that changed.
import uPlot from "uplot";
import { type TransportName, transportNames } from "../client/transports.ts";

export interface Point {
  readonly sequence: number;
  readonly date: string;
  readonly close: number;
  readonly transport: TransportName;
}
interface Mark {
  readonly sequence: number;
  readonly label: string;
  readonly transport: TransportName;
}

/** Quotes that are shown: about fourteen months of trading days. */
export const SHOWN = 300;
const KEPT = SHOWN + 60;
/** Trading days of three months, about. */
const QUARTER = 63;
/** Half of a label on the x axis, in quotes. */
const LABEL_QUOTES = 16;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const AXIS_FONT = '500 11px "Inter", system-ui, sans-serif';
/** Of marks closer than this, in CSS pixels, only the newest has a label. */
const LABEL_ROOM = 64;
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** The colours as the style sheet has them at present. */
function colours(): Readonly<Record<TransportName | "line" | "quiet" | "surface", string>> {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    poll: of("poll"),
    sse: of("sse"),
    websocket: of("websocket"),
    grpc: of("grpc"),
    line: of("line"),
    quiet: of("quiet"),
    surface: of("surface"),
  };
}

export class Plot {
  readonly #target: HTMLElement;
  readonly #points: Point[] = [];
  readonly #marks: Mark[] = [];
  readonly #uplot: uPlot;
  #colours: ReturnType<typeof colours> = colours();

  constructor(target: HTMLElement) {
    this.#target = target;
    this.#uplot = new uPlot(this.#options(), [[], ...transportNames.map(() => [])], target);
    new ResizeObserver(() => this.#uplot.setSize(this.#size())).observe(target);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#colours = colours();
      this.#uplot.redraw(false, true);
    });
    // Text on a canvas does not change by itself when its font arrives.
    void document.fonts.ready.then(() => this.#uplot.redraw(false, true));
  }

  add(point: Point): void {
    this.#points.push(point);
    if (this.#points.length > KEPT) this.#points.shift();
  }

  /** At the next quote. */
  mark(sequence: number, label: string, transport: TransportName): void {
    this.#marks.push({ sequence, label, transport });
    if (this.#marks.length > 50) this.#marks.shift();
  }

  draw(): void {
    this.#uplot.setData(this.#data());
  }

  /** A line per transport; where another one takes over, its line begins at the last point of the one before. */
  #data(): uPlot.AlignedData {
    const points = this.#points;
    const lines = transportNames.map((name) =>
      points.map(({ transport, close }, at) =>
        transport === name || points[at + 1]?.transport === name ? close : null,
      ),
    );
    return [points.map(({ sequence }) => sequence), ...lines];
  }

  #size(): { width: number; height: number } {
    return { width: this.#target.clientWidth, height: this.#target.clientHeight };
  }

  #options(): uPlot.Options {
    const axis = { font: AXIS_FONT, stroke: () => this.#colours.quiet, ticks: { show: false } };
    return {
      ...this.#size(),
      padding: [14, 0, 0, 4],
      cursor: { show: false },
      legend: { show: false },
      scales: {
        x: { time: false, range: (_, _min, max) => [max - SHOWN, max + 2] },
        y: { range: (_, min, max) => padded(min, max) },
      },
      axes: [
        {
          ...axis,
          size: 22,
          gap: 6,
          grid: { show: false },
          splits: () => this.#quarters(),
          values: (_, splits) => splits.map((at) => this.#monthAt(at)),
        },
        {
          ...axis,
          side: 1,
          size: 50,
          gap: 8,
          space: 28,
          grid: { stroke: () => this.#colours.line, width: 1 },
          values: (_, splits) => splits.map((value) => whole.format(value)),
        },
      ],
      series: [
        {},
        ...transportNames.map((name): uPlot.Series => ({
          stroke: () => this.#colours[name],
          fill: () => `color-mix(in srgb, ${this.#colours[name]} 9%, transparent)`,
          width: 1.75,
          points: { show: false },
        })),
      ],
      hooks: { draw: [(uplot) => this.#drawMarks(uplot), (uplot) => this.#drawNewest(uplot)] },
    };
  }

  /** First trading days of every third month, or sixth, where there is room for a label. */
  #quarters(): number[] {
    const every = (this.#target.clientWidth / SHOWN) * QUARTER > LABEL_ROOM + 12 ? 3 : 6;
    const found: number[] = [];
    const from = (this.#points.at(-1)?.sequence ?? 0) - SHOWN + LABEL_QUOTES;
    for (const [at, { sequence, date }] of this.#points.entries()) {
      const before = this.#points[at - 1];
      const month = Number(date.slice(5, 7));
      if (
        before !== undefined &&
        before.date.slice(0, 7) !== date.slice(0, 7) &&
        month % every === 1 &&
        sequence > from
      )
        found.push(sequence);
    }
    return found;
  }
  #monthAt(sequence: number): string {
    const date = this.#points[sequence - (this.#points[0]?.sequence ?? 0)]?.date;
    return date === undefined ? "" : `${MONTHS[Number(date.slice(5, 7)) - 1] ?? ""} ${date.slice(0, 4)}`;
  }

  #drawMarks({ ctx, bbox, valToPos }: uPlot): void {
    const ratio = devicePixelRatio;
    const oldest = this.#points[0]?.sequence ?? 0;
    let labelled = Infinity;
    ctx.save();
    ctx.font = `600 ${11 * ratio}px "Inter", system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.lineWidth = ratio;
    for (const { sequence, label, transport } of this.#marks.toReversed()) {
      const x = Math.round(valToPos(sequence, "x", true)) + ratio / 2;
      if (sequence < oldest || x < bbox.left) continue;
      ctx.strokeStyle = ctx.fillStyle = this.#colours[transport];
      ctx.setLineDash([3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      if (labelled - x < LABEL_ROOM * ratio) continue;
      labelled = x;
      const width = ctx.measureText(label).width;
      const room = bbox.left + bbox.width - x;
      ctx.fillText(label, room > width + 6 * ratio ? x + 5 * ratio : x - width - 5 * ratio, bbox.top - 12 * ratio);
    }
    ctx.restore();
  }

  #drawNewest({ ctx, valToPos }: uPlot): void {
    const newest = this.#points.at(-1);
    if (newest === undefined) return;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.arc(valToPos(newest.sequence, "x", true), valToPos(newest.close, "y", true), 3.5 * ratio, 0, 2 * Math.PI);
    ctx.fillStyle = this.#colours[newest.transport];
    ctx.fill();
    ctx.lineWidth = 2 * ratio;
    ctx.strokeStyle = this.#colours.surface;
    ctx.stroke();
    ctx.restore();
  }
}

/** Room above and below, also for a flat line, and for none. */
function padded(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  const room = Math.max((max - min) * 0.12, max * 0.002);
  return [min - room, max + room];
}
