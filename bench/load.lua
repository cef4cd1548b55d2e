-- For wrk: what is asked for, and the figures of it as one line of JSON.
--   BENCH_USERS=N      a thousand users, spread over user0 ... user(N-1), in turn
--   BENCH_CONTEXTS=N   N pairs of categories in turn, in the header X-Context

local users, contexts = tonumber(os.getenv("BENCH_USERS")), tonumber(os.getenv("BENCH_CONTEXTS"))
local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  return (text:gsub("..?.?", function(three)
    local a, b, c = three:byte(1, 3)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    local function letter(shift)
      local index = math.floor(bits / 2 ^ shift) % 64 + 1
      return letters:sub(index, index)
    end
    return letter(18) .. letter(12) .. (b and letter(6) or "=") .. (c and letter(0) or "=")
  end))
end

-- The Nth of the pairs of different categories.
local function pair(n)
  return string.format("c%d,c%d", n % 500, 500 + math.floor(n / 500))
end

if users or contexts then
  local requests, turn = {}, 0
  function init()
    for n = 0, (contexts or 1000) - 1 do
      local name, value = "X-Context", pair(n)
      if users then
        name, value = "Authorization", "Basic " .. base64(string.format("user%d:x", math.floor(n * users / 1000)))
      end
      requests[n + 1] = wrk.format(nil, nil, { Host = wrk.headers["Host"], [name] = value })
    end
  end
  function request()
    turn = turn % #requests + 1
    return requests[turn]
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50": %d, "p99": %d, "p999": %d, "errors": %d, "closed": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.status + errors.timeout, errors.read + errors.write))
end
