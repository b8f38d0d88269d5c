resource "aws_iam_role" "function" {
  for_each = { for region, about in local.regions : region => about if about.function_role_arn == null }

  name                 = local.names[each.key]
  path                 = var.role_path
  description          = "Permissions of the function of ${var.name} in ${each.key}"
  assume_role_policy   = local.policies[each.key].function_trust
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "function" {
  for_each = aws_iam_role.function

  name   = "function"
  role   = each.value.name
  policy = local.policies[each.key].function
}

resource "aws_iam_role" "schedule" {
  for_each = { for region, about in local.regions : region => about if about.schedule_role_arn == null }

  name                 = "${local.names[each.key]}-schedule"
  path                 = var.role_path
  description          = "Permissions of the schedule of ${var.name} in ${each.key}"
  assume_role_policy   = local.policies[each.key].schedule_trust
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "schedule" {
  for_each = aws_iam_role.schedule

  name   = "schedule"
  role   = each.value.name
  policy = local.policies[each.key].schedule
}

locals {
  function_role_arns = {
    for region, about in local.regions : region => about.function_role_arn == null ? aws_iam_role.function[region].arn : about.function_role_arn
  }
  schedule_role_arns = {
    for region, about in local.regions : region => about.schedule_role_arn == null ? aws_iam_role.schedule[region].arn : about.schedule_role_arn
  }
}
