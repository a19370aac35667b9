// Plugins that take their time, differently for each message: whatever stands beside them has to keep the order.
import type { Interceptor } from "@connectrpc/connect";
import { type Clock, type Plugin, definePlugin } from "@raceway/core";

/** At every station it waits for some turns of the loop, more for one message than for the next. */
export function slow(name: string): Plugin {
  return definePlugin({
    name,
    start({ clock }) {
      let asked = 0;
      const wait = async (): Promise<void> => {
        for (let turns = asked++ % 4; turns > 0; turns--) await turn(clock);
      };
      async function* held<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
        for await (const message of messages) {
          await wait();
          yield message;
        }
      }
      const interceptor: Interceptor = (next) => async (request) => {
        await wait();
        const up = request.stream ? { ...request, message: held(request.message) } : request;
        const response = await next(up);
        await wait();
        return response.stream ? { ...response, message: held(response.message) } : response;
      };
      return {
        introduce: wait,
        session: wait,
        call: () => interceptor,
        topic: () => ({ subscribe: wait, publish: wait }),
      };
    },
  });
}

function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.loopEnd(resolve));
}
