// The daemon's answers for people. Pure: JSON in, text out; a field that an older daemon lacks is "-".
#pragma once
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

namespace hush::hushctl {

[[nodiscard]] std::string text_of(const nlohmann::json& value);  // "-" for what is null or empty

void print_list(std::ostream& out, const nlohmann::json& vifs);
void print_show(std::ostream& out, const nlohmann::json& vif);
void print_stats(std::ostream& out, const nlohmann::json& vifs);
void print_stalls(std::ostream& out, const nlohmann::json& stalls);
void print_change(std::ostream& out, const nlohmann::json& answer);    // of set and unset
void print_areas(std::ostream& out, const nlohmann::json& answer);     // of areas
void print_profiles(std::ostream& out, const nlohmann::json& answer);  // of profile-list
void print_profile(std::ostream& out, const nlohmann::json& profile);
void print_daemon_setting(std::ostream& out, const nlohmann::json& answer);

}  // namespace hush::hushctl
