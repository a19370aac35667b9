// What Redis does in one step each, in Lua. Times are the callers': the store keeps to its host's clock, as all stores do; Redis' own expiry only clears away.

/** A value that is still good. KEYS: the key. ARGV: now. */
export const GET = `
local held = redis.call('HMGET', KEYS[1], 'v', 'u')
if held[1] and tonumber(held[2]) > tonumber(ARGV[1]) then return held[1] end
return false`;

/** KEYS: the key. ARGV: now, until, value, "1" for only if absent, milliseconds after which Redis may forget it. Gives 1, or 0 if it was refused. */
export const PUT = `
if ARGV[4] == '1' then
  local u = redis.call('HGET', KEYS[1], 'u')
  if u and tonumber(u) > tonumber(ARGV[1]) then return 0 end
end
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'u', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1`;

/**
 * KEYS: the bucket. ARGV: now, cost, tokens per second, burst. Gives what is missing, in tokens, as text: "0" if it was given. The clocks of several servers
 * differ a little: time never runs backwards for a bucket.
 */
export const TAKE = `
local held = redis.call('HMGET', KEYS[1], 't', 'a')
local now, cost, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = tonumber(held[2] or ARGV[1])
if now < at then now = at end
local tokens = math.min(burst, tonumber(held[1] or ARGV[4]) + (now - at) * rate / 1000)
local missing = cost - tokens
if missing <= 0 then
  tokens = tokens - cost
  missing = 0
end
redis.call('HSET', KEYS[1], 't', string.format('%.17g', tokens), 'a', string.format('%.17g', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) * 1000 / rate) + 60000)
return string.format('%.17g', missing)`;
