locals {
  days = 24 * 60 * 60
}

# Results for the hub while it is unreachable.
resource "aws_sqs_queue" "spool" {
  for_each = local.regions
  region   = each.key

  name                      = "${local.names[each.key]}-spool"
  message_retention_seconds = var.spool_retention_days * local.days
  kms_master_key_id         = each.value.kms_keys.queues
  sqs_managed_sse_enabled   = each.value.kms_keys.queues == null ? true : null
  # Longer than an invocation, so that no other one receives a message that is being delivered.
  visibility_timeout_seconds = max(300, 2 * each.value.timeout)

  # During an outage each invocation receives messages and cannot delete them. The maximum of SQS is reached after three
  # and a half days at the earliest. The dead letters can be moved back.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.spool_dead_letters[each.key].arn
    maxReceiveCount     = 1000
  })

  tags = var.tags
}

# Results that could not be delivered for days; they can be moved back to the spool.
resource "aws_sqs_queue" "spool_dead_letters" {
  for_each = local.regions
  region   = each.key

  name                      = "${local.names[each.key]}-spool-dead-letters"
  message_retention_seconds = 14 * local.days
  kms_master_key_id         = each.value.kms_keys.queues
  sqs_managed_sse_enabled   = each.value.kms_keys.queues == null ? true : null
  tags                      = var.tags
}

resource "aws_sqs_queue_redrive_allow_policy" "spool_dead_letters" {
  for_each = local.regions
  region   = each.key

  queue_url = aws_sqs_queue.spool_dead_letters[each.key].url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.spool[each.key].arn]
  })
}
