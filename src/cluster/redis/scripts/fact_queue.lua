-- What is acknowledged leaves the queue at once. So whatever is trimmed off was told to nobody.
local FACTS_KEPT = 1000000

-- `number` stands outside the seal: the sealing node does not know it.
local function write_fact(fact, number)
  if fact == '' then return end
  if number then
    redis.call('XADD', facts, '*', 'f', fact, 'n', decimal(number))
  else
    redis.call('XADD', facts, '*', 'f', fact)
  end
  local lost = redis.call('XTRIM', facts, 'MAXLEN', '~', FACTS_KEPT)
  if lost > 0 then redis.call('HINCRBY', floor, 'lost', lost) end
end
