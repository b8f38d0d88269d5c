terraform {
  # Write-only arguments, which keep the secrets out of the state.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Each resource says its region itself, so that one provider serves all regions.
      version = "~> 6.0"
    }
  }
}
