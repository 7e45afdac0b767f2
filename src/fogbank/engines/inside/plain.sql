-- A database that is not Aurora's has nothing of that.
drop function if exists
  pg_catalog.aurora_version(), pg_catalog.aurora_db_instance_identifier(), pg_catalog.aurora_replica_status(),
  pg_catalog._aurora_dblink(text, text);
