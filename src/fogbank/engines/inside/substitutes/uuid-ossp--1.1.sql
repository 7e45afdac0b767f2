-- PostgreSQL's uuid-ossp, in SQL.
\echo Use "create extension ""uuid-ossp""" to load this file. \quit

create function uuid_nil() returns uuid language sql immutable parallel safe return '00000000-0000-0000-0000-000000000000'::uuid;
create function uuid_ns_dns() returns uuid language sql immutable parallel safe return '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid;
create function uuid_ns_url() returns uuid language sql immutable parallel safe return '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid;
create function uuid_ns_oid() returns uuid language sql immutable parallel safe return '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid;
create function uuid_ns_x500() returns uuid language sql immutable parallel safe return '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid;

-- By time, in ticks of 100 ns since 1582-10-15. What keeps sessions apart at one instant is their process: in the clock sequence, and in the
-- last digit, which the clock does not know. A node that is not a network card's has the bit of groups.
create function _uuid_of_now(node bytea) returns uuid
language plpgsql volatile parallel safe as $$
declare
  process constant integer := pg_backend_pid();
  ticks constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint * 10 + (process >> 14) % 10 + 122192928000000000;
  hex constant text := lpad(to_hex(ticks), 15, '0');
begin
  return (
    substr(hex, 8) || substr(hex, 4, 4) || '1' || substr(hex, 1, 3) || to_hex((process & 16383) | 32768)
    || encode(set_byte(node, 0, get_byte(node, 0) | 1), 'hex')
  )::uuid;
end $$;

create function uuid_generate_v1() returns uuid language sql volatile parallel safe
return _uuid_of_now(substr(sha256((select system_identifier::text from pg_control_system())::bytea), 1, 6));
create function uuid_generate_v1mc() returns uuid language sql volatile parallel safe
return _uuid_of_now(substr(uuid_send(gen_random_uuid()), 11));
create function uuid_generate_v4() returns uuid language sql volatile parallel safe return gen_random_uuid();

-- By name: a hash's first bytes, with version and variant in their places.
create function _uuid_of_hash(hash bytea, version integer) returns uuid language sql immutable strict parallel safe
return encode(set_byte(set_byte(substr(hash, 1, 16), 6, (get_byte(hash, 6) & 15) | (version << 4)), 8, (get_byte(hash, 8) & 63) | 128), 'hex')::uuid;

create function uuid_generate_v3(namespace uuid, name text) returns uuid language sql immutable strict parallel safe
return _uuid_of_hash(decode(md5(uuid_send(namespace) || convert_to(name, getdatabaseencoding())), 'hex'), 3);
create function uuid_generate_v5(namespace uuid, name text) returns uuid language sql immutable strict parallel safe
return _uuid_of_hash(rds_sha1(uuid_send(namespace) || convert_to(name, getdatabaseencoding())), 5);
