-- A full Redis refuses transactions, and runs this.
local mark, after, most = unpack(ARGV)
local missed = after == '' and {} or redis.call('XRANGE', log, after, '+', 'COUNT', most)
redis.call('SPUBLISH', mark_topic, mark)
return {
  redis.call('HMGET', state, 'q', 'n', 'v', 'h', 'hc', 'he'),
  redis.call('HGETALL', members),
  redis.call('GET', last_event),
  0,
  missed,
}
