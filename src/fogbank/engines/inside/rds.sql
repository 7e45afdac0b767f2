-- What every database of RDS has by itself.

grant execute on function
  pg_catalog.pg_stat_reset(), pg_catalog.pg_stat_reset_shared(text), pg_catalog.pg_stat_reset_single_table_counters(oid),
  pg_catalog.pg_stat_reset_single_function_counters(oid) to rds_superuser;

-- RDS's parameters are shown among PostgreSQL's (one that no library has declared would not be): AWS's drivers know Aurora by this.
set local allow_system_table_mods = on;
create or replace view pg_catalog.pg_settings as
select * from pg_catalog.pg_show_all_settings()
union all
select 'rds.extensions', told, null, 'Customized Options', 'List of extensions provided by RDS', null, 'internal', 'string', 'configuration file',
  null, null, null, told, told, null, null, false
from pg_catalog.current_setting('rds.extensions', true) as told
where told is not null;

-- PostgreSQL's own hashes begin with SHA-224. The extensions that stand in for others need this one too (`substitutes`).
create or replace function pg_catalog.rds_sha1(content bytea) returns bytea
language plpgsql immutable strict parallel safe as $$
declare
  ones constant bigint := 4294967295;
  padded constant bytea := content || '\x80' || decode(repeat('00', (119 - octet_length(content) % 64) % 64), 'hex')
    || int8send(octet_length(content) * 8::bigint);
  state bigint[] := array[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
  words bigint[];
  word bigint;
  a bigint; b bigint; c bigint; d bigint; e bigint; f bigint;
begin
  for block in 0 .. octet_length(padded) / 64 - 1 loop
    for n in 0 .. 15 loop
      words[n] := ('x' || encode(substr(padded, block * 64 + n * 4 + 1, 4), 'hex'))::bit(32)::bigint;
    end loop;
    for n in 16 .. 79 loop
      word := words[n - 3] # words[n - 8] # words[n - 14] # words[n - 16];
      words[n] := ((word << 1) | (word >> 31)) & ones;
    end loop;
    a := state[1]; b := state[2]; c := state[3]; d := state[4]; e := state[5];
    for n in 0 .. 79 loop
      f := case n / 20
        when 0 then ((b & c) | ((b # ones) & d)) + 1518500249
        when 1 then (b # c # d) + 1859775393
        when 2 then ((b & c) | (b & d) | (c & d)) + 2400959708
        else (b # c # d) + 3395469782
      end;
      f := ((((a << 5) | (a >> 27)) & ones) + f + e + words[n]) & ones;
      e := d; d := c; c := ((b << 30) | (b >> 2)) & ones; b := a; a := f;
    end loop;
    state := array[(state[1] + a) & ones, (state[2] + b) & ones, (state[3] + c) & ones, (state[4] + d) & ones, (state[5] + e) & ones];
  end loop;
  return (select string_agg(substr(int8send(part), 5), '' order by n) from unnest(state) with ordinality as parts(part, n));
end $$;
