# The function's variables. tools/check-deployment-code lists their names, and a test compares them with those that the
# function reads.
locals {
  environment = {
    for region, about in local.regions : region => merge({
      BACKEND_BASE_URL = var.backend_base_url
      # References to the secrets, which the function reads itself.
      NODE_TOKEN   = local.node_token_references[region]
      API_KEY      = local.api_key_references[region]
      REGION       = coalesce(about.probe_region, region)
      SERVER_ID    = coalesce(about.server_id, local.names[region])
      REPORT_STYLE = var.report_style
      # The time to the next invocation; a peer is due again a little earlier.
      HEALTH_CHECK_INTERVAL = "${local.intervals[region]}s"
      HEALTH_CHECK_TIMEOUT  = var.check_timeout
      HEALTH_CHECK_PINGS    = tostring(var.check_pings)
      CHECK_CONCURRENCY     = tostring(var.check_concurrency)
      SELF_CHECK_TARGETS    = length(var.self_check_targets) == 0 ? null : join(",", var.self_check_targets)
      ALLOW_PRIVATE_PEERS   = tostring(var.allow_private_peers)
      ALLOW_LOCAL_PEERS     = tostring(var.allow_local_peers)
      RUST_LOG              = var.log_filter
      LOG_FORMAT            = "json"
      SPOOL_QUEUE_URL       = aws_sqs_queue.spool[region].url
    }, about.environment)
  }
}
