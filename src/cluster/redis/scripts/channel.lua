-- Changes of one channel. Redis neither undoes a script that fails nor refuses it SPUBLISH. So every
-- script reads and tests first, then writes the fact, then the rest, and publishes last.
--
-- Fields of `state`: q last number, n total, k sealed name, x time and total of the last count told,
-- c a cache miss was told, v vacated but lingering, s<node> count of a node, r<node> members that a
-- node refers to.
local number = tonumber(redis.call('HGET', state, 'q') or '0')
local messages = {}

-- Each numbered message names its predecessor, so that a receiver sees a gap.
local function tell(sign, blob)
  local following = math.max(number + 1, now, lowest)
  messages[#messages + 1] = sign .. decimal(following) .. ':' .. decimal(number) .. ':' .. blob
  number = following
  redis.call('HSET', state, 'q', decimal(number))
end

-- The later of two times stands.
local function linger_until(entry, linger_ms)
  redis.call('ZADD', lingering, 'GT', decimal(math.floor(now / 1000) + linger_ms), entry)
end

-- A user's watchers are told whether the user has a connection.
local function tell_watchers(total)
  if watchers_topic ~= topic then redis.call('SPUBLISH', watchers_topic, '#' .. decimal(total)) end
end

local function publish()
  for _, message in ipairs(messages) do redis.call('SPUBLISH', topic, message) end
end
