-- A full Redis refuses transactions, and runs this.
redis.call('SPUBLISH', mark_topic, ARGV[1])
return {
  redis.call('HMGET', state, 'q', 'n', 'v'),
  redis.call('HGETALL', members),
  redis.call('GET', last_event),
  0,
}
