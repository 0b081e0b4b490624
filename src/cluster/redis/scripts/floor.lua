-- No number below the floor is given out. It rises whenever the master is another one, since that
-- one may have lost numbers that were told.
local LARGEST = 9007199254740991
local came_from, run, known = unpack(ARGV)
known = tonumber(known)
local now = micros()
if now >= LARGEST or known >= LARGEST then return { 'CLOCK' } end
local held = redis.call('HMGET', floor, 'run', 'n')
local lowest = tonumber(held[2] or '0')
if held[1] ~= run then
  lowest = math.max(lowest, now, known) + 1
elseif came_from ~= run then
  lowest = math.max(lowest, known + 1)
end
redis.call('HSET', floor, 'run', run, 'n', decimal(lowest))
return { 'FLOOR', decimal(lowest) }
