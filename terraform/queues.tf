locals {
  days = 24 * 60 * 60
}

# Events that did not get to the function, or that it failed on.
resource "aws_sqs_queue" "dead_letters" {
  for_each = var.regions
  region   = each.key

  name                      = "${local.names[each.key]}-dead-letters"
  message_retention_seconds = 14 * local.days
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

# Results that wait for a hub that is away.
resource "aws_sqs_queue" "spool" {
  for_each = var.regions
  region   = each.key

  name                      = "${local.names[each.key]}-spool"
  message_retention_seconds = var.spool_retention_days * local.days
  sqs_managed_sse_enabled   = true
  # No other invocation sees a message while one may still deliver it.
  visibility_timeout_seconds = max(300, 2 * each.value.timeout)

  # Every invocation during an outage receives messages and cannot delete them, which is no fault of theirs: as many
  # times as SQS allows, which are three days and a half at the least. What is left then can be sent back.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.spool_dead_letters[each.key].arn
    maxReceiveCount     = 1000
  })

  tags = var.tags
}

# A queue of its own, because what is in it can be sent back into the spool.
resource "aws_sqs_queue" "spool_dead_letters" {
  for_each = var.regions
  region   = each.key

  name                      = "${local.names[each.key]}-spool-dead-letters"
  message_retention_seconds = 14 * local.days
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue_redrive_allow_policy" "spool_dead_letters" {
  for_each = var.regions
  region   = each.key

  queue_url = aws_sqs_queue.spool_dead_letters[each.key].url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.spool[each.key].arn]
  })
}
