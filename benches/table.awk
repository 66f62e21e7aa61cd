# Makes tables of the results: name, server, operations, microseconds, p50, p99, processor time; one line a round.

function rate(name, server) { return operations[name, server] * 1e6 / elapsed[name, server] }
function cpu(name, server) { return processor[name, server] / operations[name, server] }
function ms(sum, name, server) { return sprintf("%.2f", sum[name, server] / rounds[name, server] / 1000) }
function ratio(a, b) { return a == "" || b == "" || b == 0 ? "" : sprintf(a / b < 10 ? "%.2f" : "%.1f", a / b) }
function has(name, server) { return (name, server) in operations }

{
    if (!has($1, "ostiary") && $2 == "ostiary") names[++count] = $1
    operations[$1, $2] += $3; elapsed[$1, $2] += $4; p50[$1, $2] += $5; p99[$1, $2] += $6; processor[$1, $2] += $7; rounds[$1, $2]++
}

function judge(text, reached, goal) {
    if (reached != "") verdicts = verdicts sprintf("| %s | %s | %s | %s |\n", text, goal, reached, reached + 0 >= goal ? "reached" : "**missed**")
}

END {
    print "| | requests/s | p50 ms | p99 ms | CPU µs | ceiling: requests/s | CPU µs | × ceiling | oidc-provider: requests/s | CPU µs | × oidc-provider |"
    print "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for (i = 1; i <= count; i++) {
        n = names[i]
        line = sprintf("| %s | %.0f | %s | %s | %.0f |", n, rate(n, "ostiary"), ms(p50, n, "ostiary"), ms(p99, n, "ostiary"), cpu(n, "ostiary"))
        if (has(n, "ceiling")) {
            to_ceiling[n] = ratio(rate(n, "ostiary"), rate(n, "ceiling"))
            line = line sprintf(" %.0f | %.0f | %s |", rate(n, "ceiling"), cpu(n, "ceiling"), to_ceiling[n])
        } else line = line " | | |"
        peer = n ~ /JWT$/ ? "introspection, opaque" : n
        if (has(peer, "peer")) {
            to_peer[n] = ratio(rate(n, "ostiary"), rate(peer, "peer"))
            line = line sprintf(" %.0f | %.0f | %s |", rate(peer, "peer"), cpu(peer, "peer"), to_peer[n])
        } else line = line " | | |"
        print line
    }
    judge("discovery × ceiling", to_ceiling["discovery"], 0.9)
    judge("jwks × ceiling", to_ceiling["jwks"], 0.9)
    judge("client credentials × ceiling", to_ceiling["client credentials"], 0.75)
    judge("introspection of a client's JWT × ceiling", to_ceiling["introspection, a client's JWT"], 0.6)
    judge("introspection of a person's JWT × ceiling", to_ceiling["introspection, a person's JWT"], 0.6)
    judge("introspection of an opaque token × ceiling", to_ceiling["introspection, opaque"], 0.2)
    judge("code flow × oidc-provider, which keeps everything in memory", to_peer["code flow"], postgres ? 2 : 4)
    judge("password login × ceiling", to_ceiling["password login"], 0.95)
    print "\n| goal | at least | reached | |\n|---|---:|---:|---|\n" verdicts
}
