-- Of PostgreSQL's pgcrypto, in SQL: what is random, digest and hmac. SHA-1 manages about 1 MB in a second.
\echo Use "create extension pgcrypto" to load this file. \quit

create function gen_random_uuid() returns uuid language sql volatile parallel safe return pg_catalog.gen_random_uuid();

create function gen_random_bytes(length integer) returns bytea
language plpgsql volatile strict parallel safe as $$
declare
  found bytea := '';
  random bytea;
begin
  if length not between 1 and 1024 then
    raise exception using errcode = 'external_routine_invocation_exception', message = 'Length not in range';
  end if;
  while octet_length(found) < length loop
    random := uuid_send(pg_catalog.gen_random_uuid());
    found := found || substr(random, 1, 6) || substr(random, 8, 1) || substr(random, 10);  -- (all but its version and variant)
  end loop;
  return substr(found, 1, length);
end $$;

create function digest(data bytea, type text) returns bytea
language plpgsql immutable strict parallel safe as $$
begin
  case lower(type)
    when 'md5' then return decode(md5(data), 'hex');
    when 'sha1' then return rds_sha1(data);
    when 'sha224' then return sha224(data);
    when 'sha256' then return sha256(data);
    when 'sha384' then return sha384(data);
    when 'sha512' then return sha512(data);
    else raise exception using errcode = 'invalid_parameter_value', message = format('Cannot use "%s": No such hash algorithm', type);
  end case;
end $$;

create function hmac(data bytea, key bytea, type text) returns bytea language sql immutable strict parallel safe
begin atomic
  with sized as (select case when lower(type) in ('sha384', 'sha512') then 128 else 64 end as block),
  short as (select block, case when octet_length(key) > block then digest(key, type) else key end as key from sized),
  bytes as (select n, case when n < octet_length(key) then get_byte(key, n) else 0 end as byte from short, generate_series(0, block - 1) as n),
  pads as (
    select string_agg(set_byte('\x00', 0, byte # 54), '' order by n) as inside, string_agg(set_byte('\x00', 0, byte # 92), '' order by n) as outside
    from bytes
  )
  select digest(outside || digest(inside || data, type), type) from pads;
end;

create function digest(data text, type text) returns bytea language sql immutable strict parallel safe
return digest(convert_to(data, getdatabaseencoding()), type);
create function hmac(data text, key text, type text) returns bytea language sql immutable strict parallel safe
return hmac(convert_to(data, getdatabaseencoding()), convert_to(key, getdatabaseencoding()), type);
