local SECONDS = 86400
redis.call('SET', tombstone, '1', 'EX', SECONDS)
return { 'BURIED', redis.call('SCARD', node_channels) }
