resource "aws_ssm_parameter" "node_token" {
  for_each = { for region, about in local.regions : region => about if about.node_token_arn == null }
  region   = each.key

  name             = "/${var.name}/${each.key}/node-token"
  description      = "The node token of the probe in ${each.key}"
  type             = "SecureString"
  key_id           = each.value.kms_keys.secrets
  value_wo         = var.node_tokens[each.key]
  value_wo_version = var.secrets_version
  tags             = var.tags
}

resource "aws_ssm_parameter" "api_key" {
  for_each = { for region, about in local.regions : region => about if about.api_key_arn == null && var.store_api_key }
  region   = each.key

  name             = "/${var.name}/${each.key}/api-key"
  description      = "The API key for reading peers"
  type             = "SecureString"
  key_id           = each.value.kms_keys.secrets
  value_wo         = var.api_key
  value_wo_version = var.secrets_version
  tags             = var.tags
}

locals {
  # The references that the function gets. Both services accept an ARN as name, which avoids doubt about a leading slash.
  node_token_references = {
    for region, about in local.regions : region => (
      about.node_token_arn == null
      ? "ssm:${aws_ssm_parameter.node_token[region].name}"
      : "${split(":", about.node_token_arn)[2]}:${about.node_token_arn}"
    )
  }
  api_key_references = {
    for region, about in local.regions : region => (
      about.api_key_arn != null ? "${split(":", about.api_key_arn)[2]}:${about.api_key_arn}" :
      var.store_api_key ? "ssm:${aws_ssm_parameter.api_key[region].name}" : null
    )
  }

  # The secrets that the function may read.
  secret_arns = {
    for region, about in var.regions : region => compact([
      about.node_token_arn == null ? local.arns[region].node_token : about.node_token_arn,
      about.api_key_arn == null && var.store_api_key ? local.arns[region].api_key : about.api_key_arn,
    ])
  }
}
