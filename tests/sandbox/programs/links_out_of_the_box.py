from prelude import attempt, tell

attempt("shadow", open, "/task/links/shadow")
attempt("up", open, "/task/links/up/etc/shadow")
attempt("tenant", open, "/task/links/tenant")
attempt("proc", open, "/task/links/proc/etc/shadow")
tell()
