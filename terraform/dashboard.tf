# One dashboard: a row of graphs for each region.

locals {
  # A graph is its title, and lines of namespace, metric, entry of local.dimensions and statistic.
  graphs = [
    {
      title = "Peers"
      lines = [for metric in ["online", "offline", "unknown"] : [local.metric_namespace, metric, "probe", "Sum"]]
    },
    {
      title = "Invocations"
      lines = [for metric in ["Invocations", "Errors", "Throttles"] : ["AWS/Lambda", metric, "function", "Sum"]]
    },
    {
      title = "Milliseconds"
      lines = [for statistic in ["Average", "Maximum"] : ["AWS/Lambda", "Duration", "function", statistic]]
    },
    {
      title = "Oldest result in the spool, in seconds, and dead letters"
      lines = [
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "spool", "Maximum"],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "spool-dead-letters", "Maximum"],
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.create && var.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = flatten([
      for row, region in keys(local.regions) : [
        for column, graph in local.graphs : {
          type   = "metric"
          x      = 6 * column
          y      = 6 * row
          width  = 6
          height = 6
          properties = {
            title  = "${local.environment[region].REGION}: ${graph.title}"
            region = region
            view   = "timeSeries"
            period = max(300, local.intervals[region])
            metrics = [
              for line in graph.lines : concat(
                [line[0], line[1]],
                flatten([for name, value in local.dimensions[region][line[2]] : [name, value]]),
                [{ stat = line[3] }],
              )
            ]
          }
        }
      ]
    ])
  })
}
