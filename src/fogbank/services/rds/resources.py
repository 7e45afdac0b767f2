"""The CloudFormation types of RDS."""

from fogbank.services.rds import resources_clusters, resources_global
from fogbank.services.rds.resources_groups import more

TYPES = (*resources_clusters.TYPES, resources_global.GLOBAL, *more())
