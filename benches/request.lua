-- wrk: one request again and again, or one for each line of a file of tokens.
--
--     wrk … -s request.lua URL -- METHOD AUTHORIZATION FORM [FILE]
--
-- Each %s of FORM is replaced by a token. The last line that is printed is `operations microseconds p50 p99 errors`.
local requests, turn = {}, 0

function init(args)
    wrk.method = args[1]
    if args[2] ~= "" then wrk.headers["Authorization"] = args[2] end
    if args[1] == "POST" then wrk.headers["Content-Type"] = "application/x-www-form-urlencoded" end
    if args[4] then
        for token in io.lines(args[4]) do
            table.insert(requests, wrk.format(nil, nil, nil, string.format(args[3], token)))
        end
    else
        table.insert(requests, wrk.format(nil, nil, nil, args[1] == "POST" and args[3] or nil))
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("%d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
