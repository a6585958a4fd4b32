package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"lab/providers/standin"
)

// The real provider is two generations in one, which word errors differently: servers and firewalls are of the old one.

func failed(err error) diag.Diagnostics {
	text := err.Error()
	if fields := invalid(err); fields != nil {
		wrong := []string{}
		for _, field := range fields {
			wrong = append(wrong, fmt.Sprintf("%s => %s", field.Name, field.Messages))
		}
		text = fmt.Sprintf("%s: %s", text, wrong)
	}
	return standin.Error(text, "")
}

func requestFailed(err error) diag.Diagnostics {
	status := ""
	var answered hcloud.Error
	if errors.As(err, &answered) {
		status = fmt.Sprintf("\nError code: %s\n", answered.Code)
		if response := answered.Response(); response != nil {
			status += fmt.Sprintf("Status code: %d\n", response.StatusCode)
		}
	}
	var diags diag.Diagnostics
	for _, field := range invalid(err) {
		diags.AddError("Invalid field in API request", fmt.Sprintf("An invalid field was encountered during an API request. "+
			"The field might not map 1:1 to your terraform resource.\n\n%s\n\nField: %s\nMessages:\n - %s%s",
			err, field.Name, strings.Join(field.Messages, "\n - "), status))
	}
	if diags == nil {
		diags.AddError("API request failed", fmt.Sprintf("An unexpected error was encountered during an API request.\n\n%s\n%s", err, status))
	}
	return diags
}

func invalid(err error) []hcloud.ErrorDetailsInvalidInputField {
	var answered hcloud.Error
	if errors.As(err, &answered) {
		details, _ := answered.Details.(hcloud.ErrorDetailsInvalidInput)
		return details.Fields
	}
	return nil
}

func missing(err error) bool { return hcloud.IsError(err, hcloud.ErrorCodeNotFound) }

// id is 0 for what is no number, which no thing has.
func id(of standin.Values) int64 {
	number, _ := strconv.ParseInt(of.Text("id"), 10, 64)
	return number
}

func text(id int64) string { return strconv.FormatInt(id, 10) }

func importID(id string) (standin.Values, diag.Diagnostics) { return standin.Values{"id": id}, nil }

// labels are null in the state only where the schema lets them be and nobody gave any.
func labels(of standin.Values, is map[string]string) any {
	if len(is) == 0 && of["labels"] == nil {
		return nil
	}
	return standin.Map(is)
}
