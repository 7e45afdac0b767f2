-- Aurora's own functions, in every database of an Aurora cluster. What one node cannot know is asked of fogbank, by the back door of the front.

create or replace function pg_catalog.aurora_version() returns text
language sql stable parallel safe
return substring(current_setting('server_version') from '^[0-9.]+') || '.0';

create or replace function pg_catalog.aurora_db_instance_identifier() returns text
language sql stable parallel safe
return current_setting('aurora.instance', true);

create or replace function pg_catalog._aurora_dblink(text, text) returns setof record
language c parallel restricted as '$libdir/dblink', 'dblink_record';
revoke all on function pg_catalog._aurora_dblink(text, text) from public;

create or replace function pg_catalog.aurora_replica_status(
  out server_id text, out session_id text, out durable_lsn bigint, out highest_lsn_rcvd bigint, out current_read_lsn bigint,
  out cur_replay_latency_in_usec bigint, out active_txns bigint, out is_current boolean, out last_transport_error integer,
  out last_error_timestamp timestamptz, out last_update_timestamp timestamptz, out feedback_xmin bigint, out feedback_epoch bigint,
  out replica_lag_in_msec bigint, out log_stream_speed_in_kib_per_second double precision, out log_buffer_sequence_number bigint,
  out oldest_read_view_trx_id bigint, out oldest_read_view_lsn bigint, out pending_read_ios bigint, out read_ios bigint,
  out iops integer, out cpu double precision
) returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  door constant text := regexp_replace(btrim(split_part(current_setting('unix_socket_directories'), ',', 1)), '/[^/]+/*$', '') || '/aws';
  place constant text := format(
    'host=''%s'' port=5432 dbname=aws user=aws sslmode=disable gssencmode=disable', replace(replace(door, '\', '\\'), '''', '\''')
  );
  answer jsonb;
begin
  select said into strict answer
  from _aurora_dblink(place, 'select call(''{"feature": "Cluster", "call": {"do": "status"}}'')') as (said jsonb);
  for server_id, session_id, durable_lsn, replica_lag_in_msec, cpu in
    select node ->> 'name', case when (node ->> 'writes')::boolean then 'MASTER_SESSION_ID' else md5(node ->> 'id')::uuid::text end,
      (answer ->> 'durable')::bigint, round((node ->> 'lag_ms')::numeric), (node ->> 'cpu')::float8
    from jsonb_array_elements(answer -> 'nodes') as node
  loop
    is_current := true;
    last_update_timestamp := clock_timestamp();
    replica_lag_in_msec := case when session_id <> 'MASTER_SESSION_ID' then replica_lag_in_msec end;
    return next;
  end loop;
end $$;
