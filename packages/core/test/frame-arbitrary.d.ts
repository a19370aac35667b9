import * as fc from "fast-check";
import { type Frame, type FrameKind } from "../src/frame.ts";
import { type Frame as WireFrame } from "../src/gen/wire_pb.ts";
/** Every kind of frame; `payload` makes the payloads. */
export declare function frames(payload?: fc.Arbitrary<Uint8Array>): {
  readonly [K in FrameKind]: fc.Arbitrary<
    Frame & {
      readonly kind: K;
    }
  >;
};
export declare const kinds: FrameKind[];
export declare const anyFrame: fc.Arbitrary<Frame>;
export declare const batch: fc.Arbitrary<readonly Frame[]>;
/** The frame as a generated message. */
export declare function wireFrame(frame: Frame): WireFrame;
//# sourceMappingURL=frame-arbitrary.d.ts.map
