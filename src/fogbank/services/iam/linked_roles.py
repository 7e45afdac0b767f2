"""Service-linked roles: made for one service, with the service's own name, trust and policy; only that service changes them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.iam import roles
from fogbank.services.iam.lookups import role_at
from fogbank.services.iam.refusals import invalid, not_found
from fogbank.services.iam.state import ATTACHMENTS, ROLE_DELETIONS, ROLES, Attachment, RoleDeletion
from fogbank.store.tables import change


class Linked(NamedTuple):
    """What follows "AWSServiceRoleFor", the AWS managed policy, and whether a suffix may be given."""

    name: str
    policy: str
    suffix: bool = False


# Source: "AWS services that work with IAM" and each service's page "Using service-linked roles".
LINKED = {
    "access-analyzer.amazonaws.com": Linked("AccessAnalyzer", "AccessAnalyzerServiceRolePolicy"),
    "apidestinations.events.amazonaws.com": Linked("AmazonEventBridgeApiDestinations", "AmazonEventBridgeApiDestinationsServiceRolePolicy"),
    "autoscaling.amazonaws.com": Linked("AutoScaling", "AutoScalingServiceRolePolicy", True),
    "backup.amazonaws.com": Linked("Backup", "AWSBackupServiceLinkedRolePolicyForBackup"),
    "batch.amazonaws.com": Linked("Batch", "BatchServiceRolePolicy"),
    "cloudtrail.amazonaws.com": Linked("CloudTrail", "CloudTrailServiceRolePolicy"),
    "config.amazonaws.com": Linked("Config", "AWSConfigServiceRolePolicy"),
    "connect.amazonaws.com": Linked("AmazonConnect", "AmazonConnectServiceLinkedRolePolicy", True),
    "dax.amazonaws.com": Linked("DAX", "DAXServiceRolePolicy"),
    "dynamodb.application-autoscaling.amazonaws.com": Linked(
        "ApplicationAutoScaling_DynamoDBTable", "AWSApplicationAutoscalingDynamoDBTablePolicy"
    ),
    "ecs.application-autoscaling.amazonaws.com": Linked("ApplicationAutoScaling_ECSService", "AWSApplicationAutoscalingECSServicePolicy"),
    "ec2fleet.amazonaws.com": Linked("EC2Fleet", "AWSEC2FleetServiceRolePolicy"),
    "ecs.amazonaws.com": Linked("ECS", "AmazonECSServiceRolePolicy"),
    "eks.amazonaws.com": Linked("AmazonEKS", "AmazonEKSServiceRolePolicy"),
    "eks-fargate.amazonaws.com": Linked("AmazonEKSForFargate", "AmazonEKSForFargateServiceRolePolicy"),
    "eks-nodegroup.amazonaws.com": Linked("AmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup"),
    "elasticache.amazonaws.com": Linked("ElastiCache", "ElastiCacheServiceRolePolicy"),
    "elasticbeanstalk.amazonaws.com": Linked("ElasticBeanstalk", "AWSElasticBeanstalkServiceRolePolicy"),
    "elasticfilesystem.amazonaws.com": Linked("AmazonElasticFileSystem", "AmazonElasticFileSystemServiceRolePolicy"),
    "elasticloadbalancing.amazonaws.com": Linked("ElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"),
    "elasticmapreduce.amazonaws.com": Linked("EMRCleanup", "AmazonEMRCleanupPolicy"),
    "es.amazonaws.com": Linked("AmazonElasticsearchService", "AmazonElasticsearchServiceRolePolicy"),
    "opensearchservice.amazonaws.com": Linked("AmazonOpenSearchService", "AmazonOpenSearchServiceRolePolicy"),
    "guardduty.amazonaws.com": Linked("AmazonGuardDuty", "AmazonGuardDutyServiceRolePolicy"),
    "inspector2.amazonaws.com": Linked("AmazonInspector2", "AmazonInspector2ServiceRolePolicy"),
    "kafka.amazonaws.com": Linked("Kafka", "KafkaServiceRolePolicy"),
    "kinesisreplication.dynamodb.amazonaws.com": Linked(
        "DynamoDBKinesisDataStreamsReplication", "DynamoDBKinesisReplicationServiceRolePolicy"
    ),
    "macie.amazonaws.com": Linked("AmazonMacie", "AmazonMacieServiceRolePolicy"),
    "memorydb.amazonaws.com": Linked("MemoryDB", "MemoryDBServiceRolePolicy"),
    "ops.apigateway.amazonaws.com": Linked("APIGateway", "APIGatewayServiceRolePolicy"),
    "organizations.amazonaws.com": Linked("Organizations", "AWSOrganizationsServiceTrustPolicy"),
    "rds.amazonaws.com": Linked("RDS", "AmazonRDSServiceRolePolicy"),
    "redshift.amazonaws.com": Linked("Redshift", "AmazonRedshiftServiceLinkedRolePolicy"),
    "replication.dynamodb.amazonaws.com": Linked("DynamoDBReplication", "DynamoDBReplicationServiceRolePolicy"),
    "replicator.lambda.amazonaws.com": Linked("LambdaReplicator", "AWSLambdaReplicator"),
    "schemas.amazonaws.com": Linked("Schemas", "AmazonEventBridgeSchemasServiceRolePolicy"),
    "securityhub.amazonaws.com": Linked("SecurityHub", "AWSSecurityHubServiceRolePolicy"),
    "spot.amazonaws.com": Linked("EC2Spot", "AWSEC2SpotServiceRolePolicy"),
    "spotfleet.amazonaws.com": Linked("EC2SpotFleet", "AWSEC2SpotFleetServiceRolePolicy"),
    "ssm.amazonaws.com": Linked("AmazonSSM", "AmazonSSMServiceRolePolicy"),
    "support.amazonaws.com": Linked("Support", "AWSSupportServiceRolePolicy"),
    "trustedadvisor.amazonaws.com": Linked("TrustedAdvisor", "AWSTrustedAdvisorServiceRolePolicy"),
    "transitgateway.amazonaws.com": Linked("VPCTransitGateway", "AWSVPCTransitGatewayServiceRolePolicy"),
    "wafv2.amazonaws.com": Linked("WAFV2Logging", "WAFV2LoggingServiceRolePolicy"),
}


def role_name(service: str, suffix: str | None) -> str | None:
    """The name of a service's role, or None for a service that has none."""
    linked = LINKED.get(service)
    return None if linked is None else f"AWSServiceRoleFor{linked.name}" + (f"_{suffix}" if suffix else "")


@operation("CreateServiceLinkedRole")
def create_service_linked_role(ctx: Context, req: Any) -> Answer:
    """Makes the role that a service works with, under /aws-service-role/, with the service's policy attached.

    Errors: InvalidInput (no such service, a suffix where the service takes none, or the role is there), LimitExceeded.
    """
    linked = LINKED.get(req.AWSServiceName)
    if linked is None:
        raise invalid(f"Service {req.AWSServiceName} does not have service-linked roles here.")
    if req.CustomSuffix is not None and not linked.suffix:
        raise invalid(f"Custom suffix is not allowed for {req.AWSServiceName}")
    name = role_name(req.AWSServiceName, req.CustomSuffix) or ""
    if ROLES.get(ctx, ctx.account, name.lower()) is not None:
        raise invalid(f"Service role name {name} has been taken in this account, please try a different suffix.")
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": req.AWSServiceName}, "Action": "sts:AssumeRole"}],
        }
    )
    path = f"{roles.LINKED_PATH}{req.AWSServiceName}/"
    role = change(roles.new_role(ctx, name, path, trust, req.Description), linked_service=req.AWSServiceName)
    ROLES.put(ctx, role)
    arn = f"arn:{ctx.partition}:iam::aws:policy/aws-service-role/{linked.policy}"
    ATTACHMENTS.put(ctx, Attachment(account=ctx.account, entity_id=role.id, policy_arn=arn, kind="role"))
    return {"Role": roles.describe_whole(ctx, role)}


@operation("DeleteServiceLinkedRole")
def delete_service_linked_role(ctx: Context, req: Any) -> Answer:
    """Asks for a service-linked role to be deleted; GetServiceLinkedRoleDeletionStatus tells how that went.

    Errors: NoSuchEntity, InvalidInput (no service-linked role).
    """
    role = role_at(ctx, req.RoleName)
    if not role.linked_service:
        raise invalid(f"The role {role.name} is not a service-linked role.")
    id = f"task{role.path}{role.name}/{ctx.random.uuid()}"
    ROLE_DELETIONS.put(ctx, RoleDeletion(account=ctx.account, id=id, role=role.key, at_ms=ctx.now))
    ctx.later("iam.delete_linked_role", {"account": ctx.account, "id": id})
    return {"DeletionTaskId": id}


@task("delete_linked_role")
def delete_linked_role(ctx: Context, payload: Any) -> None:
    """Deletes the role and detaches its policy."""
    deletion = ROLE_DELETIONS.get(ctx, payload["account"], payload["id"])
    if deletion is None or deletion.done:
        return
    role = ROLES.get(ctx, deletion.account, deletion.role)
    if role is not None:
        for attachment in list(ATTACHMENTS.scan(ctx, role.account, role.id)):
            ATTACHMENTS.delete(ctx, attachment)
        roles.remove(ctx, role)
    ROLE_DELETIONS.put(ctx, change(deletion, done=True))


@operation("GetServiceLinkedRoleDeletionStatus")
def get_service_linked_role_deletion_status(ctx: Context, req: Any) -> Answer:
    """IN_PROGRESS, then SUCCEEDED.

    Errors: NoSuchEntity (no such deletion).
    """
    deletion = ROLE_DELETIONS.get(ctx, ctx.account, req.DeletionTaskId)
    if deletion is None:
        raise not_found(f"The deletion task {req.DeletionTaskId} cannot be found.")
    return {"Status": "SUCCEEDED" if deletion.done else "IN_PROGRESS"}
